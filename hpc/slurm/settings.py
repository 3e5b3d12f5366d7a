"""How a run was submitted to SLURM: kept with it, for what goes on without the spec."""

from __future__ import annotations

from typing import Literal

from hpc.fsio import read_json, write_atomic
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.retry import RetryPolicy
from hpc.slurm.profile import Profile

__all__ = ["Settings", "read_settings", "write_settings"]


class Settings(Record):
    """The cluster's facts, what is tried again, and how many tasks of a stage may run at once."""

    executor: Literal["slurm"] = "slurm"
    profile: Profile
    retry: RetryPolicy
    stage_limits: dict[str, int]


def read_settings(run: RunPaths) -> Settings:
    """As last submitted. StateError where they are missing or damaged."""
    return read_json(run.executor, Settings)


def write_settings(run: RunPaths, settings: Settings) -> None:
    """Keep them; the caller holds the lock of the run."""
    run.folder.mkdir(parents=True, exist_ok=True)
    write_atomic(run.executor, settings.model_dump_json(indent=1))
