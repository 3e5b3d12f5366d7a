"""Which run a user means: by its name, its folder, or the spec it was made of."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.submission import read_plan
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.commands.text import shown_path

__all__ = ["chosen_tasks", "find_run", "run_argument", "task_ids", "task_options"]

F = TypeVar("F", bound=Callable[..., object])


def run_argument(command: F) -> F:
    """RUN and --runs."""
    return runs_option(click.argument("run")(command))


def task_options(command: F) -> F:
    """TASK... and --stage."""
    stage = click.option("--stage", metavar="NAME", help="The tasks of this stage.")
    return click.argument("task", nargs=-1)(stage(command))


def chosen_tasks(run: RunPaths, tasks: Sequence[str], stage: str | None) -> list[str]:
    """The tasks that are meant, in plan order; all where neither task nor stage is named."""
    if tasks and stage:
        raise click.UsageError("Name TASKs or a --stage, not both.")
    stages = task_ids(run)
    for name in tasks:
        check_task(run, name, list(stages))
    if stage is not None and stage not in stages.values():
        known = ", ".join(dict.fromkeys(stages.values()))
        what = f"there is no stage '{stage}'"
        raise UserError(what, where=f"run {run.name}", mend=f"Its stages: {known}")
    return [name for name, own in stages.items() if _is_meant(name, own, tasks, stage)]


def _is_meant(name: str, own: str, tasks: Sequence[str], stage: str | None) -> bool:
    return name in tasks if tasks else stage in (None, own)


def find_run(target: str, runs: Path) -> RunPaths:
    """The run of this name in `runs`, in this folder, or of this spec. UserError if there is none.

    A name is tried first: it is what `status` prints.
    """
    run = _named(target, runs)
    if run is None or not run.plan.exists():
        root = run.root if run else runs
        others = _others(root)
        close = difflib.get_close_matches(target, others, n=1)
        known = f"Runs there: {', '.join(others[:10]) or 'none'}"
        mend = f"Did you mean '{close[0]}'?" if close else known
        name = run.name if run else target
        raise UserError(f"no run '{name}' has been submitted", where=shown_path(root), mend=mend)
    return run


def task_ids(run: RunPaths) -> dict[str, str]:
    """The stage of every task of a run, by the task's name, in the order of the plan."""
    return {task.id: task.stage for task in read_plan(run).tasks}


def check_task(run: RunPaths, name: str, known: Sequence[str]) -> None:
    """Raise UserError unless a run has this task."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
        mend = f"Did you mean {', '.join(close)}?" if close else "See `ptychopinn-batch status`"
        raise UserError(f"there is no task '{name}'", where=f"run {run.name}", mend=mend)


def _named(target: str, runs: Path) -> RunPaths | None:
    path = Path(target)
    if path.name == target and (runs / target).is_dir():
        return RunPaths(runs, target)
    if path.is_file():
        return RunPaths(runs, _name_in(path))
    if path.is_dir():
        folder = path.absolute()
        return RunPaths(folder.parent, folder.name)
    return None


def _name_in(spec: Path) -> str:
    """The run's name in a spec; nothing else of it is looked at, its data may be gone."""
    from ptychopinn_batch.speclang.document import Document
    from ptychopinn_batch.speclang.file import read_text

    name = Document.read(read_text(spec), str(spec)).data.get("name")
    if not isinstance(name, str):
        mend = "Give the run's name, or its folder"
        raise UserError("this is no job spec: it has no name", where=str(spec), mend=mend)
    return name


def _others(runs: Path) -> Sequence[str]:
    return RunPaths(runs, "any").others() if runs.is_dir() else ()
