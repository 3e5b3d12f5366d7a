"""The same training on several ranks: what it takes, and what it comes to."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from measuring import module, run_measured, script

from hpc.paths import RunPaths
from hpc.submission import read_plan
from ptychopinn_batch.training.paths import TrainingPaths

HANDOVER = Path(__file__).parents[1] / "handover.py"

_SPEC = """\
version: 1
name: ranks{ranks}
scans: [{{name: scan, simulate: {{frames: 900, frame_size: 64}}}}]
train:
  {{epochs: {epochs}, regions_per_epoch: {regions}, accumulate: 4, devices: {ranks}, workers: 0,
   split: frames, frames_per_region: 32, window: 128, unroll: [2, 2], warm: 0}}
resources: {{train: {{cpus: 1}}}}
"""


class Training(NamedTuple):
    """seconds: of the epochs after the first, which also starts everything; loss: of the last."""

    regions: int
    seconds: float
    loss: float


def train(ranks: int, epochs: int, regions: int, folder: Path) -> Training:
    """Run prepare and train of a spec, each by a worker, as an executor does."""
    spec, runs = folder / f"ranks{ranks}.yaml", folder / "runs"
    spec.write_text(_SPEC.format(ranks=ranks, epochs=epochs, regions=regions))
    run_measured(script(HANDOVER, spec, runs))
    run = RunPaths(runs, spec.stem)
    tasks = {task.stage: task for task in read_plan(run).tasks}
    for stage in ("prepare", "train"):
        _work(run, tasks[stage].id, ranks)
    rows = list(_history(TrainingPaths(run.training(tasks["train"].key)).history))
    later = rows[1:]
    seconds = sum(float(row["seconds"]) for row in later)
    return Training(regions * len(later), seconds, float(rows[-1]["loss"]))


def _work(run: RunPaths, task: str, ranks: int) -> None:
    """One task, with the processor shared out among its ranks."""
    threads = str(max(1, (os.cpu_count() or 1) // ranks))
    os.environ["OMP_NUM_THREADS"] = threads
    run_measured(module("hpc.worker", "--runs", run.root, "--run", run.name, "--task", task))


def _history(path: Path) -> Iterator[dict[str, str]]:
    with path.open() as file:
        yield from csv.DictReader(file)
