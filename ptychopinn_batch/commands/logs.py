"""`logs`: what tasks have printed, and what they print."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from hpc.ledger import UNFINISHED
from hpc.paths import RunPaths
from hpc.slurm.observe import is_looked_after
from hpc.slurm.status import ClusterReader
from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.follow import Follower
from ptychopinn_batch.commands.logfiles import end_of, log_files
from ptychopinn_batch.commands.onlook import looks
from ptychopinn_batch.commands.target import chosen_tasks, find_run, run_argument, task_options
from ptychopinn_batch.commands.text import outlook, plural, shown_path

LAST_LINES = 20
INTERVAL = 1.0  # seconds between two looks at logs that are followed


@click.command()
@run_argument
@task_options
@click.option("--failed", is_flag=True, help="Only of tasks that did not succeed.")
@click.option("--follow", "-f", is_flag=True, help="Go on as they grow, until the tasks are over.")
@click.option(
    "--lines",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Only the last N lines of each log.  [default: all of one TASK, else {LAST_LINES}]",
)
def logs(
    run: str,
    runs: Path,
    task: tuple[str, ...],
    stage: str | None,
    failed: bool,
    follow: bool,
    lines: int | None,
) -> None:
    """Print the logs of TASKs of RUN, of those of a --stage, or the ends of all logs.

    With --follow, those of all that run; Ctrl-C ends the following, nothing else.

    Example: ptychopinn-batch logs fly64 --failed
    """
    if failed and follow:
        raise click.UsageError("--failed is of what has ended, --follow of what runs: not both.")
    paths = find_run(run, runs)
    chosen = frozenset(chosen_tasks(paths, task, stage) if task or stage else ())
    lines = lines or (None if len(task) == 1 else LAST_LINES)
    if follow:
        _follow(paths, chosen, lines)
        return
    rows = ClusterReader(paths).read().rows
    wanted = [row for row in rows if not chosen or row.id in chosen]
    if failed:
        wanted = [row for row in wanted if row.has_failed]
    found = [(row, log_files(paths, row)) for row in wanted]
    for row, files in found:
        _print(paths, row, files, lines, bare=len(task) == 1)
    silent = [row for row, files in found if not files]
    if failed and not wanted:
        click.echo("No task has failed.", err=True)
    elif failed or len(silent) == len(wanted):  # else one sees that some have begun
        click.echo("\n".join(_no_logs(silent)), nl=bool(silent), err=True)


def _print(
    run: RunPaths, row: Row, files: Iterable[Path], lines: int | None, *, bare: bool
) -> None:
    """The logs of a task; `bare`, where it is the one that was asked for, without a head."""
    for file in files:
        if not bare or file != run.log(row.id):
            click.echo(f"==> {row.id}: {shown_path(file)}")
        click.echo(end_of(file, lines), nl=False)


def _no_logs(silent: Sequence[Row]) -> Iterator[str]:
    """Why there are no logs."""
    reasons = dict.fromkeys(_reason(row) for row in silent)
    for reason in reasons:
        names = [row.id for row in silent if _reason(row) == reason]
        yield f"no log of {_listed(names)}: {reason}"


def _reason(row: Row) -> str:
    """Why a task has no log."""
    cause = f" {row.cause}" if row.cause else ""
    if row.attempt:
        return "it is gone"
    match row.status:
        case "cancelled":
            return f"cancelled{cause} before it began"
        case "pending" | "queued":
            return "not started yet"
        case "blocked":
            return f"not started, for{cause}"
    return f"{row.status.replace('_', ' ')}:{cause or ' it is not known why'}"


def _listed(names: Sequence[str]) -> str:
    """A few names as they are, many as a number."""
    more = len(names) - 3
    some = ", ".join(names[:3])
    return f"{some} and {plural(more, 'task')} more" if more > 0 else some


def _follow(run: RunPaths, chosen: Collection[str], lines: int | None) -> None:
    follower = Follower(run, chosen, lines, partial(click.echo, nl=False))
    first = True
    for found in looks(ClusterReader(run), INTERVAL, partial(is_looked_after, run)):
        follower.update(found)
        left = [row for row in found.rows if row.status in UNFINISHED and _is_in(row, chosen)]
        if chosen and not left:
            break
        if first and left and not any(row.status == "running" for row in left):
            click.echo(f"Waiting for {_listed([row.id for row in left])} to begin.", err=True)
        first = False
    click.echo(_last_word(found, chosen), err=True)


def _is_in(row: Row, chosen: Collection[str]) -> bool:
    return not chosen or row.id in chosen


def _last_word(found: RunStatus, chosen: Collection[str]) -> str:
    """Why there is nothing more to follow."""
    if not chosen or found.stands_still:
        return outlook(found)
    rows = [row for row in found.rows if row.id in chosen]
    return "\n".join(f"{row.id}: {row.status.replace('_', ' ')}{_why(row)}" for row in rows)


def _why(row: Row) -> str:
    return f" ({row.cause})" if row.cause else ""
