"""Where the words of a task are, and how the end of a long file is found. Reads only."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path

from hpc.errors import StateError
from hpc.paths import RunPaths
from hpc.slurm.batches import read_batches
from hpc.status import Row

__all__ = ["end_of", "log_files", "start_of_end"]


def log_files(run: RunPaths, row: Row) -> Sequence[Path]:
    """The task's own log; where its worker never began, what its batch job printed, by rank."""
    own = run.log(row.id)
    if own.exists():
        return [own]
    job = row.job or _recorded_job(run, row)
    return _printed_by(run, job) if job else []


def start_of_end(file: Path, lines: int | None) -> int:
    """Where the last so many lines of a file begin; 0 for all of it."""
    if lines is None or file.stat().st_size == 0:
        return 0
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = len(data) - 1  # the last byte ends the last line, if it is a line's end at all
        for _ in range(lines):
            end = data.rfind(b"\n", 0, end)
            if end < 0:
                return 0
        return end + 1


def end_of(file: Path, lines: int | None) -> str:
    """The last lines of a file; all of it for None."""
    start = start_of_end(file, lines)
    with file.open("rb") as opened:
        opened.seek(start)
        return opened.read().decode(errors="replace")


def _recorded_job(run: RunPaths, row: Row) -> str | None:
    """The array element that was to run a task, as it was handed over."""
    if row.batch is None:
        return None
    try:
        return read_batches(run, [row.batch]).element(row.batch, row.id)
    except StateError:
        return None


def _printed_by(run: RunPaths, job: str) -> Sequence[Path]:
    files = (run.slurm_log_folder / f"{job}_{rank}_log.out" for rank in count())
    return list(takewhile(Path.exists, files))
