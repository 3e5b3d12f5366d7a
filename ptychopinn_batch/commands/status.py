"""`status`: how a run stands. Answers at once, whatever the run is doing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from hpc.paths import RunPaths
from hpc.slurm.status import ClusterReader
from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.advice import advice
from ptychopinn_batch.commands.onlook import is_looked_after
from ptychopinn_batch.commands.target import find_run, run_argument
from ptychopinn_batch.commands.text import (
    columns,
    counted,
    duration,
    figures,
    memory_of,
    outlook,
    plural,
    progress_of,
    time_of,
)

MOST_LINES = 40
HEAD = ("task", "status", "progress", "time", "left", "memory", "")


@click.command()
@run_argument
@click.option("--all", "show_all", is_flag=True, help="Every task, however many there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON, for programs.")
def status(run: str, runs: Path, show_all: bool, as_json: bool) -> None:
    """Show how RUN stands: a run's name, its folder, or its spec.

    Exit code 0 whatever has become of the tasks; --json tells programs.

    Example: ptychopinn-batch status fly64
    """
    paths = find_run(run, runs)
    found = ClusterReader(paths).read()
    click.echo(found.to_json() if as_json else "\n".join(_lines(paths, found, show_all)))


def _lines(run: RunPaths, found: RunStatus, show_all: bool) -> Iterator[str]:
    yield f"Run {found.run} in {run.folder}: {counted(found.counts)}"
    still = not (found.is_done or found.submitter or found.is_in_batch)
    yield outlook(found, looked_after=still and is_looked_after(run))
    yield ""
    rows = found.rows if show_all else _telling(found.rows)
    yield from columns(HEAD, map(_cells, rows))
    if len(rows) < len(found.rows):
        yield f"and {plural(len(found.rows) - len(rows), 'task')} more (--all)"
    advices = advice(found)
    if advices:
        yield from ("", *advices)


def _telling(rows: tuple[Row, ...]) -> list[Row]:
    """As many rows as one looks at, those that need attention before the others."""
    order = {"done": 2, "pending": 1, "queued": 1, "blocked": 1}
    chosen = sorted(rows, key=lambda row: order.get(row.status, 0))[:MOST_LINES]
    wanted = {row.id for row in chosen}
    return [row for row in rows if row.id in wanted]


def _cells(row: Row) -> tuple[str, ...]:
    words = row.status.replace("_", " ")
    told = row.cause or figures(row.figures)
    left, memory = duration(row.eta), memory_of(row)
    return row.id, words, progress_of(row), time_of(row), left, memory, told
