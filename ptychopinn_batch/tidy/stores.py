"""Scan stores that can go: whose every reader is done, and which could be made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hpc.submission import PlannedTask
from ptychopinn_batch.inputs.known import Inputs
from ptychopinn_batch.stages.params import PrepareParams, RefineParams
from ptychopinn_batch.tidy.comeback import lacking
from ptychopinn_batch.tidy.disk import size_of
from ptychopinn_batch.tidy.runs import KnownRun
from ptychopinn_batch.tidy.things import Kept, Thing

__all__ = ["stores", "users"]

MAKERS = (PrepareParams.stage, RefineParams.stage)

User = tuple[KnownRun, PlannedTask]
"""A run, and its task that makes or finds a store."""


def stores(runs: Sequence[KnownRun], chosen: Sequence[KnownRun]) -> Iterator[Thing | Kept]:
    """The stores of the chosen runs; all `runs` may use them. Of all runs, unknown ones as well."""
    if not chosen:
        return
    inputs = Inputs(chosen[0].paths)
    for folder in _folders(chosen[0].paths.stores):
        of = users(runs, folder.name)
        if not of and len(chosen) == len(runs):
            why = "no run here has made it; remove it by hand if no other folder needs it"
            yield Kept(path=str(folder), size=size_of(folder), why=why)
        elif any(run in chosen for run, _ in of):
            yield _look(folder, of, runs, inputs)


def users(runs: Sequence[KnownRun], store: str) -> list[User]:
    """The runs that have a store in their plans, as far as these can be read."""
    return [
        (run, task)
        for run in runs
        if run.damage is None and (task := run.makers.get(store)) and task.stage in MAKERS
    ]


def _folders(stores: Path) -> list[Path]:
    if not stores.is_dir():
        return []
    return sorted(p for p in stores.iterdir() if p.is_dir() and not p.name.startswith("."))


def _look(
    folder: Path, of: Sequence[User], runs: Sequence[KnownRun], inputs: Inputs
) -> Thing | Kept:
    why = _why_it_stays(folder, of, runs, inputs)
    size = size_of(folder)
    if why is not None:
        return Kept(path=str(folder), size=size, why=why)
    took = max(run.rows[task.id].seconds or 0.0 for run, task in of)
    return Thing(kind="stores", path=str(folder), size=size, about=_about(of), seconds=took)


def _why_it_stays(
    folder: Path, of: Sequence[User], runs: Sequence[KnownRun], inputs: Inputs
) -> str | None:
    if folder.is_symlink():
        return "it is a link to another place"
    for run in runs:
        if run.damage:
            return f"{run.damage}, and may need it"
    for run, task in of:
        if run.trouble:
            return run.trouble
        if waiting := run.waiting[task.id]:
            return f"run {run.name} has {waiting} of its tasks still to do with it"
    reasons = (lacking(run, task.id, inputs) for run, task in of)
    return next((reason for reason in reasons if reason), None)


def _about(of: Sequence[User]) -> str:
    names = ", ".join(dict.fromkeys(run.name for run, _ in of))
    scans = ", ".join(dict.fromkeys(_scan(run, task) for run, task in of))
    refined = "refined " if of[0][1].stage == RefineParams.stage else ""
    return f"{refined}scan {scans} of {names}"


def _scan(run: KnownRun, task: PlannedTask) -> str:
    whole = run.task(task.id)
    return str(whole.extras.get("scan", task.id)) if whole else task.id
