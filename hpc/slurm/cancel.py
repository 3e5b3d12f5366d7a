"""Taking tasks back from SLURM."""

from __future__ import annotations

from collections.abc import Collection

from hpc.ledger import UNFINISHED, folded_state
from hpc.paths import RunPaths
from hpc.slurm.batches import Batches, read_batches
from hpc.slurm.client import Slurm

__all__ = ["withdraw"]


def withdraw(run: RunPaths, task_ids: Collection[str], slurm: Slurm | None = None) -> None:
    """End the jobs of these tasks, or take them out of the queue. Raises SlurmError.

    When SLURM has no other tasks of the run, stewards have nothing left to look after: they go too.
    """
    if not task_ids or not run.batch_folder.exists():
        return
    batches = read_batches(run)
    jobs = _jobs(run, batches, set(task_ids))
    if jobs and not _others(run, batches, set(task_ids)):
        jobs += _stewards(batches)
    if jobs:
        (slurm or Slurm()).cancel(jobs)


def _others(run: RunPaths, batches: Batches, wanted: set[str]) -> bool:
    """Whether tasks that are not meant wait or run in SLURM."""
    known = {task for batch in batches.known.values() for task in batch.tasks}
    states = (folded_state(run.ledger(name)) for name in known - wanted)
    return any(state.batch and state.status in UNFINISHED for state in states)


def _stewards(batches: Batches) -> list[str]:
    jobs = (batches.job(batch.token) for batch in batches.known.values() if batch.is_steward)
    return [job for job in jobs if job is not None]


def _jobs(run: RunPaths, batches: Batches, wanted: set[str]) -> list[str]:
    """What scancel is told: whole arrays where all of them is meant, else their elements."""
    members: dict[str, list[str]] = {}
    for name in sorted(wanted):
        token = folded_state(run.ledger(name)).batch
        if token and batches.job(token):
            members.setdefault(token, []).append(name)
    jobs: list[str] = []
    for token, names in members.items():
        batch = batches.known.get(token)  # without its file, only the job as a whole is known
        if batch is None or len(names) == len(batch.tasks):
            jobs.append(str(batches.job(token)))
        else:
            jobs += [str(batches.element(token, name)) for name in names]
    return jobs
