"""Results and runs as a report finds them, made up; pictures are made as real ones are."""

from functools import cache
from pathlib import Path

import numpy as np

from hpc.cost import Hours
from hpc.status import Row, RunStatus
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.report.collect import Entry, RunReport, StageUse
from ptychopinn_batch.report.failures import Failure
from ptychopinn_batch.report.pictures import Look, coloured, panel, scattered, thumbnail
from ptychopinn_batch.report.record import Curve, ResultReport, Scale
from ptychopinn_batch.results.records import Made

LOOK = Look("viridis", (0.0, 1.0), "rad", ("0", "1"))


def metrics(**changes):
    values = {
        "R": 0.0114,
        "R_held_out": 0.0121,
        "R_empty": 0.9,
        "R_noise": None,
        "phase_corr": 0.991,
        "amp_ssim": None,
        "phase_ssim": None,
        "reference_is_truth": False,
        "coverage": 1.0,
        "frames": 100,
        "frames_per_s": 412.0,
        "seconds": {},
        "peak_rss_mb": 100.0,
        "verdict": "good",
        "reasons": ("so it is",),
    }
    return Metrics(**{**values, **changes})


def smooth(side, seed):
    """An image with as much in it as objects have: power falling with the square of frequency."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    spectrum = np.fft.fft2(random.normal(size=(side, side))) / (frequency + 1 / side) ** 1.5
    image = np.fft.ifft2(spectrum).real
    return (image - image.min()) / np.ptp(image)


@cache
def result_report(side=64, seed=0, n=32):
    """Eight pictures and two curves."""
    named = [(name, coloured(smooth(side, seed + k), LOOK)) for k, name in enumerate("ab")]
    named += [(f"pattern {k}", coloured(smooth(n, seed + k), LOOK)) for k in range(5)]
    points = np.random.default_rng(seed).uniform(0, side, (200, 2))
    named.append(("positions", scattered(points, points[:, 0] / side, (side, side), LOOK)))
    return ResultReport(
        key="k",
        thumbnail=thumbnail(named[0][1]),
        panels=tuple(
            panel(image, LOOK, name=name, title=f"Picture {name}", alt=f"alt {name}", scale=SCALE)
            for name, image in named
        ),
        curves=(
            Curve(name="Training: loss", x_label="epoch", y_label="loss", points=((1, 2), (2, 1))),
            Curve(
                name="Fourier ring correlation with the reference",
                x_label="spatial frequency / Nyquist",
                y_label="correlation",
                points=((0.1, 1.0), (0.5, 0.8), (1.0, 0.1)),
            ),
        ),
    )


SCALE = Scale(share=0.25, text="2 µm")


def entry(scan="s", variant="default", **changes):
    """A result that is done."""
    values = {
        "task": f"finalize-{variant}-{scan}",
        "status": "done",
        "folder": f"results/{variant}/{scan}",
        "metrics": metrics(),
        "report": result_report(),
        "network": "untrained:abc",
        "made": Made(created="2026-01-01T00:00:00+00:00", versions={"torch": "2.6"}, host="here"),
        "stages": (StageUse("infer", 2, 30.0, 3600.0, 1.5, 8.0),),
        "hours": Hours(node=0.1, cpu=0.4, gpu=0.0),
        "command": "ptychopinn-batch submit spec.json --runs repeated",
    }
    return Entry(scan=scan, variant=variant, **{**values, **changes})


def failure(**changes):
    values = {
        "task": "infer-default-bad-0",
        "stage": "infer",
        "status": "failed",
        "cause": "a faulty frame",
        "advice": "Mend it, then `ptychopinn-batch resubmit demo`.",
        "lines": ("the last line",),
        "attempt": 1,
        "host": "here",
        "job": None,
    }
    return Failure(**{**values, **changes})


def run_report(*entries, failures=(), points=None):
    rows = tuple(Row(id=one.task, stage="finalize", status=one.status) for one in entries)
    status = RunStatus(run="demo", at=0.0, submitter=None, rows=rows)
    return RunReport("demo", Path("/runs/demo"), status, entries, tuple(failures), points or {})
