"""`runs`: every run in a folder, one line each. A damaged run is a line that says so."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import click
from pydantic import Field

from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.slurm.forsaken import is_forsaken
from hpc.status import RunStatus, read_status
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.commands.text import columns, counted, duration, percent, shown_path

__all__ = ["RunLine", "list_runs", "runs"]

HEAD = ("run", "changed", "state", "done", "failed", "left", "tasks", "worked on by")


State = Literal["done", "failed", "cancelled", "running", "queued", "idle", "damaged"]
"""failed: over, and not all of it is done; cancelled: the same, by will alone; queued: in a
cluster; idle: until the next submit."""


class RunLine(Record):
    """How one run stands; with `error`, that this cannot be told. Times in seconds since 1970."""

    run: str
    folder: str
    state: State
    submitted: float | None = None
    changed: float | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    failed: int = 0
    is_over: bool = False
    progress: float = 0.0
    eta: float | None = None
    submitter: str | None = None
    error: str | None = None


class RunList(Record):
    """What `runs --json` prints: the newest first."""

    folder: str
    runs: tuple[RunLine, ...]


@click.command()
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON, for programs.")
def runs(runs: Path, as_json: bool) -> None:
    """List the runs in the folder of all runs, those that changed last first.

    Example: ptychopinn-batch runs --runs /scratch/me/runs
    """
    found = list_runs(runs)
    if as_json:
        click.echo(found.model_dump_json(indent=1))
    elif not found.runs:
        click.echo(f"No run has been submitted in {shown_path(runs)}.")
    else:
        click.echo("\n".join(columns(HEAD, map(_cells, found.runs))))


def list_runs(root: Path) -> RunList:
    """Every run in a folder. Raises UserError where there is no such folder."""
    if not root.is_dir():
        mend = "Name the folder of all runs with --runs"
        raise UserError("there is no such folder", where=shown_path(root), mend=mend)
    lines = [_look(folder) for folder in sorted(root.glob("[!.]*")) if _holds_a_run(folder)]
    lines.sort(key=lambda line: line.changed or 0.0, reverse=True)
    return RunList(folder=str(root.absolute()), runs=tuple(lines))


def _holds_a_run(folder: Path) -> bool:
    """Whether something was submitted here, even where the plan of it is lost."""
    layout = RunPaths(folder.parent, "any")
    marks = (layout.plan.name, layout.ledger_folder.name)
    try:
        return any((folder / name).exists() for name in marks)
    except PermissionError:  # somebody's, and nobody else's business
        return False


def _look(folder: Path) -> RunLine:
    try:
        run = RunPaths(folder.parent, folder.name)
        _check_plan(run)
        return _line(run, read_status(run))
    except (UserError, OSError) as error:
        what = error.what if isinstance(error, UserError) else str(error)
        changed = folder.stat().st_mtime
        return RunLine(
            run=folder.name, folder=str(folder), state="damaged", changed=changed, error=what
        )


def _check_plan(run: RunPaths) -> None:
    if not run.plan.exists():
        raise UserError(f"{run.plan.name} is missing; submit the run again")


def _line(run: RunPaths, found: RunStatus) -> RunLine:
    return RunLine(
        run=found.run,
        folder=str(run.folder),
        state=_state(run, found),
        submitted=found.submitted,
        changed=found.changed,
        counts=found.counts,
        failed=sum(row.has_failed for row in found.rows),
        is_over=found.is_over,
        progress=found.progress,
        eta=found.eta,
        submitter=found.submitter,
    )


def _state(run: RunPaths, found: RunStatus) -> State:
    if found.is_over:
        return _end(found)
    if found.stands_still or is_forsaken(run, found):
        return "idle"
    return "running" if found.submitter or found.counts.get("running") else "queued"


def _end(found: RunStatus) -> State:
    """Of a run that is over; what is blocked waited for what was cancelled, or failed."""
    if found.is_done:
        return "done"
    failed = any(row.has_failed and row.status != "cancelled" for row in found.rows)
    cancelled = any(row.status == "cancelled" for row in found.rows)
    return "cancelled" if cancelled and not failed else "failed"


def _cells(line: RunLine) -> tuple[str, ...]:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(line.changed))
    if line.error is not None:
        return line.run, when, line.state, "-", "-", "-", line.error, ""
    return (
        line.run,
        when,
        line.state,
        percent(line.progress),
        str(line.failed or "-"),
        duration(line.eta or None),
        counted(line.counts),
        line.submitter or "",
    )
