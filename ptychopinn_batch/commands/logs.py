"""`logs`: what tasks have printed."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.paths import RunPaths
from hpc.status import read_status
from ptychopinn_batch.commands.target import check_task, find_run, run_argument, task_ids
from ptychopinn_batch.commands.text import FAILED, shown_path

LAST_LINES = 20


@click.command()
@run_argument
@click.argument("task", required=False)
@click.option("--failed", is_flag=True, help="Only of tasks that did not succeed.")
@click.option(
    "--lines",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Only the last N lines of each log.  [default: all of one TASK, else {LAST_LINES}]",
)
def logs(run: str, runs: Path, task: str | None, failed: bool, lines: int | None) -> None:
    """Print the log of one TASK of RUN, or the ends of all logs.

    Example: ptychopinn-batch logs fly64 --failed
    """
    paths = find_run(run, runs)
    there = [name for name in _chosen(paths, task, failed) if paths.log(name).exists()]
    if not there:
        click.echo("There is no such log: these tasks have not been started.", err=True)
    for name in there:
        if task is None:
            click.echo(f"==> {name}: {shown_path(paths.log(name))}")
        click.echo(_end_of(paths.log(name), lines or (None if task else LAST_LINES)), nl=False)


def _chosen(run: RunPaths, task: str | None, failed: bool) -> list[str]:
    known = list(task_ids(run))
    if task is not None:
        check_task(run, task, known)
        known = [task]
    if failed:
        statuses = {row.id: row.status for row in read_status(run).rows}
        known = [name for name in known if statuses[name] in FAILED]
    return known


def _end_of(log: Path, lines: int | None) -> str:
    """The last lines of a log; all of it for None."""
    text = log.read_text(encoding="utf-8", errors="replace")
    kept = text.splitlines(keepends=True)[-lines:] if lines else [text]
    return "".join(kept)
