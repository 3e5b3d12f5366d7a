"""Simulated scans as files, and the tasks that reconstruct them, as a job spec would."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hpc.context import TaskContext
from hpc.paths import RunPaths
from hpc.task import Task
from ptychopinn_batch.commands.job import read_job
from ptychopinn_batch.data.writer import write_npz
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan

STEP = 4.5 / 64  # of a frame's side: how far neighbouring frames are apart

_SPEC = """\
version: 1
name: {name}
scans: [{{name: scan, {scan}}}]
infer: {{steps: {steps}, tile: {tile}, tiles_per_task: 1000000}}
resources: {{finalize: {{mem_gb: 1000}}}}
"""


class Case(NamedTuple):
    """Frames of n x n pixels, reconstructed in so many steps."""

    n: int
    steps: int
    frames: int


class Work(NamedTuple):
    """The two tasks from a file to a written array."""

    prepare: TaskContext
    infer: TaskContext

    @property
    def store(self) -> Path:
        """The scan store that the first makes and the second reads."""
        return self.prepare.run.store(self.prepare.task.key)


def write_scan(case: Case, path: Path) -> None:
    """A file in PtychoPINN's form."""
    settings = Simulation(frames=case.frames, frame_size=case.n, step=STEP * case.n)
    write_npz(simulate_scan(settings), path)


def work_of(scan: str, steps: int, folder: Path, tile: int | str = "auto") -> Work:
    """The tasks of a spec with this scan, such as `path: a.npz`, in a new run's folder."""
    folder.mkdir(parents=True)
    spec = folder / "speed.yaml"
    spec.write_text(_SPEC.format(name=folder.name, scan=scan, steps=steps, tile=tile))
    job = read_job(spec, folder / "runs", (), None, "local")
    job.run.create()
    stages = {task.stage: task for task in job.tasks}
    return Work(*(_context(job.run, stages[name]) for name in ("prepare", "infer")))


def _context(run: RunPaths, task: Task) -> TaskContext:
    return TaskContext(run, task)


def forget(path: Path) -> None:
    """Have the system drop a file, or all in a folder, from its page cache."""
    for file in _files(path):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _files(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else iter([path])
