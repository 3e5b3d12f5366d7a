"""Taking tasks back from SLURM."""

from __future__ import annotations

from collections.abc import Collection

from hpc.ledger import folded_state
from hpc.paths import RunPaths
from hpc.slurm.batches import Batches, read_batches
from hpc.slurm.client import Slurm

__all__ = ["withdraw"]


def withdraw(run: RunPaths, task_ids: Collection[str], slurm: Slurm | None = None) -> None:
    """End the jobs of these tasks, or take them out of the queue. Raises SlurmError."""
    if not task_ids or not run.batch_folder.exists():
        return
    jobs = _jobs(run, read_batches(run), set(task_ids))
    if jobs:
        (slurm or Slurm()).cancel(jobs)


def _jobs(run: RunPaths, batches: Batches, wanted: set[str]) -> list[str]:
    """What scancel is told: whole arrays where all of them is meant, else their elements."""
    members: dict[str, list[str]] = {}
    for name in sorted(wanted):
        token = folded_state(run.ledger(name)).batch
        if token and batches.job(token):
            members.setdefault(token, []).append(name)
    jobs: list[str] = []
    for token, names in members.items():
        if len(names) == len(batches.known[token].tasks):
            jobs.append(str(batches.job(token)))
        else:
            jobs += [str(batches.element(token, name)) for name in names]
    return jobs
