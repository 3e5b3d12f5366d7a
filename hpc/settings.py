"""How a run was submitted: kept with it, for what goes on without its spec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hpc.errors import StateError
from hpc.fsio import read_json, write_changed
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.retry import RetryPolicy
from hpc.slurm.profile import Profile

__all__ = ["Settings", "read_settings", "write_settings"]


class Settings(Record):
    """Where tasks run, what is tried again, and how many tasks of a stage may run at once.

    afterwards: "package.module:function" that is given the run when a cluster's steward has looked
    after it.
    """

    executor: Literal["local", "slurm"]
    profile: Profile = Field(default_factory=lambda: Profile(version=1))
    retry: RetryPolicy = Field(default_factory=RetryPolicy)
    stage_limits: dict[str, int] = Field(default_factory=dict)
    afterwards: str | None = Field(None, pattern=r"^[\w.]+:\w+$")


def read_settings(run: RunPaths) -> Settings:
    """As last submitted. StateError where they are missing or damaged."""
    try:
        return read_json(run.executor, Settings)
    except StateError as error:
        raise StateError(error.what, where=error.where, mend="Submit the run again") from None


def write_settings(run: RunPaths, settings: Settings) -> None:
    """Keep them; the caller holds the lock of the run."""
    run.folder.mkdir(parents=True, exist_ok=True)
    write_changed(run.executor, settings.model_dump_json(indent=1))
