"""Whether nobody goes on with what SLURM was given, by what lies in the run's folder alone.

SLURM makes a job's output file when the job begins. A steward begins when all arrays of its wave
are over, and then holds the lock of the run; a worker begins by writing its task's ledger. An
output file without either tells of a job that ended before it did anything: a module or an image
is missing, say. SLURM itself is not asked: the list of all runs is no reason to.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from hpc.paths import RunPaths
from hpc.slurm.batches import Batch, Batches, read_batches
from hpc.status import Row, RunStatus

__all__ = ["is_forsaken"]

QUIET = 600.0  # seconds without a word, in which anything would have begun

WAITING = ("queued", "running", "requeued")


def is_forsaken(run: RunPaths, found: RunStatus) -> bool:
    """Whether tasks count as handed to SLURM though their jobs came to nothing."""
    waiting = [row for row in found.rows if row.batch and row.status in WAITING]
    if not waiting or found.submitter:
        return False
    batches = read_batches(run)
    steward = _last_steward(batches)
    if steward is not None:
        return _is_silent(run, batches.job(steward.token))
    return all(_never_began(run, batches, row) for row in waiting)


def _last_steward(batches: Batches) -> Batch | None:
    stewards = (b for b in batches.known.values() if b.is_steward and not batches.is_void(b.token))
    return max(stewards, key=lambda batch: batch.at, default=None)


def _never_began(run: RunPaths, batches: Batches, row: Row) -> bool:
    """Whether a task's job has begun, and its worker has not: a worker says so at once."""
    return row.status == "queued" and _is_silent(run, batches.element(str(row.batch), row.id))


def _is_silent(run: RunPaths, job: str | None) -> bool:
    """Whether a job has begun, and long printed nothing."""
    last = max(_printed(run, job), default=None) if job else None
    return last is not None and time.time() - last > QUIET


def _printed(run: RunPaths, job: str | None) -> Iterator[float]:
    """When each rank of a job printed last."""
    return (log.stat().st_mtime for log in run.slurm_log_folder.glob(f"{job}_*_log.out"))
