"""Stages that do nothing but take part: every task of a run done in a moment, its outputs empty.

A file named after a task, below FAKES in the environment, makes it behave: `fail`, `hang`.
"""

import os
import time
from pathlib import Path

from hpc.context import Requeue
from hpc.errors import UserError
from ptychopinn_batch.metrics import Metrics


def _behave(context):
    print(f"{context.task.id} says hello")
    order = Path(os.environ["FAKES"]) / context.task.id
    if not order.exists():
        return
    match order.read_text():
        case "fail":
            raise UserError("a faulty frame", where="frame 7", mend="Leave it out")
        case "hang":
            while not context.should_stop():
                context.heartbeat(step=3, total=10, loss=0.125)
                time.sleep(0.02)
            raise Requeue("asked to stop")


def _leave_outputs(context):
    for output in context.task.outputs:
        (context.run.root / output).mkdir(parents=True, exist_ok=True)


def quiet(context):
    _behave(context)
    _leave_outputs(context)


def finalize(context):
    quiet(context)
    return Metrics(
        R=0.0114,
        R_held_out=0.0121,
        R_empty=0.9,
        R_noise=None,
        phase_corr=0.991,
        amp_ssim=None,
        phase_ssim=None,
        reference_is_truth=False,
        coverage=1.0,
        frames=100,
        frames_per_s=412.0,
        seconds={},
        peak_rss_mb=100.0,
        verdict="good",
        reasons=("so it is",),
    ).as_json()
