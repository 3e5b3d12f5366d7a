"""What was handed to SLURM: every batch is on disk before sbatch is called, and its fate after it.

A batch is one sbatch: an array of tasks, or the steward that looks after arrays. Its token is in
the job's name, so that a batch whose job id was never recorded is found again in the queue.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from hpc.errors import StateError
from hpc.fsio import append_line, numbered_lines, read_json, write_atomic
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.resources import Resources

__all__ = ["Batch", "Batches", "Fate", "new_token", "read_batches"]

STEWARD = "steward"
"""The stage of the batch that is no array of tasks."""


class Batch(Record):
    """One sbatch. The array's element i runs task i."""

    token: str
    name: str  # of the job: it holds the token
    stage: str
    tasks: tuple[str, ...]
    resources: Resources
    script: str
    at: float = Field(default_factory=time.time)  # seconds since 1970, just before sbatch

    @property
    def is_steward(self) -> bool:
        return self.stage == STEWARD


class Accepted(Record):
    """SLURM has it as this job."""

    event: Literal["accepted"] = "accepted"
    token: str
    job: str


class Void(Record):
    """SLURM has it not, and never will."""

    event: Literal["void"] = "void"
    token: str
    cause: str


Fate = Accepted | Void
_fate: TypeAdapter[Fate] = TypeAdapter(Annotated[Fate, Field(discriminator="event")])


@dataclass
class Batches:
    """All batches of a run, and what became of each."""

    run: RunPaths
    known: dict[str, Batch] = field(default_factory=dict)
    fates: dict[str, Fate] = field(default_factory=dict)

    def add(self, batch: Batch) -> None:
        """Put a batch on disk; sbatch may be called then."""
        self.run.batch_folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.run.batch(batch.token), batch.model_dump_json(indent=1))
        write_atomic(self.run.batch_script(batch.token), batch.script)
        self.known[batch.token] = batch

    def settle(self, fate: Fate) -> None:
        """Record what became of a batch."""
        append_line(self.run.batch_fates, fate.model_dump_json())
        self.fates[fate.token] = fate

    def job(self, token: str) -> str | None:
        """The job that a batch has become; None where this is not known, or it has become none."""
        fate = self.fates.get(token)
        return fate.job if isinstance(fate, Accepted) else None

    def is_void(self, token: str) -> bool:
        return isinstance(self.fates.get(token), Void)

    def element(self, token: str, task_id: str) -> str | None:
        """The array element that runs a task, as SLURM's commands take it."""
        job, batch = self.job(token), self.known.get(token)
        if job is None or batch is None:
            return None
        place = self._index(batch).get(task_id)
        return None if place is None else f"{job}_{place}"

    def open(self) -> list[Batch]:
        """Batches of which it is not known whether SLURM has them."""
        return [batch for token, batch in self.known.items() if token not in self.fates]

    def _index(self, batch: Batch) -> Mapping[str, int]:
        # Thousands of tasks are looked up in one status.
        if batch.token not in self._indices:
            self._indices[batch.token] = {task: i for i, task in enumerate(batch.tasks)}
        return self._indices[batch.token]

    _indices: dict[str, dict[str, int]] = field(default_factory=dict)


def new_token() -> str:
    """Short, unique, and fit for a job's name."""
    return secrets.token_hex(5)


def read_batches(run: RunPaths, tokens: Iterable[str] | None = None) -> Batches:
    """The batches of a run: all, or those of these tokens.

    One whose file is damaged or gone is left out: its job is still known.
    """
    if tokens is None:
        tokens = [path.stem for path in sorted(run.batch_folder.glob("*.json"))]
    known: dict[str, Batch] = {}
    for token in tokens:
        with contextlib.suppress(StateError):
            known[token] = read_json(run.batch(token), Batch)
    return Batches(run, known, _read_fates(run))


def _read_fates(run: RunPaths) -> dict[str, Fate]:
    """What is recorded; a damaged line counts for nothing, for a job is also found by its name."""
    fates: dict[str, Fate] = {}
    with contextlib.suppress(FileNotFoundError):
        for _, line in numbered_lines(run.batch_fates):
            with contextlib.suppress(ValidationError):
                fate = _fate.validate_json(line)
                fates[fate.token] = fate
    return fates
