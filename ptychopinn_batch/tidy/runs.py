"""The runs in a folder as far as tidying up must know them: their plans, and whether they rest."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from hpc.errors import StateError, UserError
from hpc.fsio import read_json
from hpc.lease import at_work
from hpc.paths import RunPaths
from hpc.slurm.observe import is_looked_after
from hpc.slurm.status import ClusterReader
from hpc.status import Row, RunStatus
from hpc.submission import PlannedTask, read_plan
from hpc.task import Task

__all__ = ["KnownRun", "known_runs"]


@dataclass(frozen=True)
class KnownRun:
    """A run; what cannot be read of it is taken for being in use."""

    paths: RunPaths

    @property
    def name(self) -> str:
        return self.paths.name

    @cached_property
    def damage(self) -> str | None:
        """Why its plan cannot be read; None where it can."""
        try:
            self.tasks  # noqa: B018 - it is read
        except (UserError, OSError) as error:
            what = error.what if isinstance(error, UserError) else str(error)
            return f"run {self.name} cannot be read ({what})"
        return None

    @cached_property
    def trouble(self) -> str | None:
        """Why nothing of it may be removed: it goes on, or it cannot be told. None: it rests."""
        return self.damage or _work_on(self.paths, self.status)

    @cached_property
    def status(self) -> RunStatus:
        """How it stands, by SLURM's word too."""
        return ClusterReader(self.paths).read()

    @cached_property
    def tasks(self) -> Sequence[PlannedTask]:
        return read_plan(self.paths).tasks

    @cached_property
    def rows(self) -> dict[str, Row]:
        return {row.id: row for row in self.status.rows}

    @cached_property
    def makers(self) -> dict[str, PlannedTask]:
        """The tasks by their keys: stores and trainings are named by these."""
        return {task.key: task for task in self.tasks}

    def task(self, name: str) -> Task | None:
        """A task with its parameters; None where its file is gone, or of another version."""
        try:
            return read_json(self.paths.task(name), Task)
        except StateError:
            return None

    @cached_property
    def waiting(self) -> Counter[str]:
        """How many tasks that are not done read what a task leaves behind."""
        left = (task for task in self.tasks if self.rows[task.id].status != "done")
        return Counter(need for task in left for need in task.needs)


def known_runs(root: RunPaths) -> list[KnownRun]:
    """Every run in a folder, even one whose plan is lost: it may be at work."""
    found: list[KnownRun] = []
    for folder in sorted(root.root.glob("[!.]*")):
        with suppress(UserError):  # no name of a run
            run = RunPaths(root.root, folder.name)
            if _is_one(run):
                found.append(KnownRun(run))
    return found


def _is_one(run: RunPaths) -> bool:
    """Whether a folder is that of a run; one that nobody may look into may be, and at work."""
    try:
        return run.plan.exists() or run.ledger_folder.exists()
    except PermissionError:
        return True


def _work_on(run: RunPaths, found: RunStatus) -> str | None:
    """Who is at work on a run, or will be; our own hold on it does not count."""
    reasons = (*_holders(run), *_tasks(found), *_stewards(run, found))
    return f"run {run.name} {reasons[0]}" if reasons else None


def _holders(run: RunPaths) -> Iterator[str]:
    owner = at_work(run.lock)
    if owner is not None and not (owner.process.is_local and owner.process.pid == os.getpid()):
        yield f"is worked on by {owner}"


def _tasks(found: RunStatus) -> Iterator[str]:
    """Tasks that run or are handed to a batch system, and those of which it cannot be told."""
    if found.trouble:
        yield f"may run: SLURM does not say ({found.trouble})"
    running = [row.id for row in found.rows if row.status == "running"]
    if running:
        yield f"is running ({_some(running)})"
    if found.is_in_batch:
        yield f"waits in SLURM ({_some([row.id for row in found.rows if row.batch])})"
    unknown = [row.id for row in found.rows if row.status == "unknown"]
    if unknown:
        yield f"has tasks of which it is not known whether they run ({_some(unknown)})"


def _stewards(run: RunPaths, found: RunStatus) -> Iterator[str]:
    if not (found.is_done or found.is_in_batch) and is_looked_after(run):
        yield "has a job in SLURM that will go on with it"


def _some(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
