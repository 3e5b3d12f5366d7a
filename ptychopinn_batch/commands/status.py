"""`status`: how a run stands. Answers at once, whatever the run is doing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from hpc.paths import RunPaths
from hpc.slurm.observe import is_looked_after
from hpc.slurm.status import ClusterReader
from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.advice import advice
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
from ptychopinn_batch.commands.verdicts import MOST, objected, summary
from ptychopinn_batch.verdict.findings import faults_in
from ptychopinn_batch.verdict.told import Judged, judged_rows

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
    reader = ClusterReader(paths)
    found = reader.read()
    verdicts = tuple(judged_rows(found.rows, reader.result_of))
    if as_json:
        click.echo(_as_json(found, verdicts))
        return
    click.echo("\n".join(_lines(paths, found, verdicts, show_all)))


def _as_json(found: RunStatus, verdicts: Sequence[Judged]) -> str:
    """All of it; `verdicts` are those of results, and of scans that were checked."""
    told = [one.model_dump(mode="json") for one in verdicts]
    return json.dumps({**json.loads(found.to_json()), "verdicts": told}, indent=1)


def _judged(verdicts: Sequence[Judged], show_all: bool) -> Iterator[str]:
    """How good results are; of those that are not, and of scans, why, and what to do about it."""
    if text := summary(verdicts):
        yield from ("", f"Results: {text}")
    if lines := list(objected(verdicts, most=None if show_all else MOST)):
        yield from ("", *lines)


def _lines(
    run: RunPaths, found: RunStatus, verdicts: Sequence[Judged], show_all: bool
) -> Iterator[str]:
    yield f"Run {found.run} in {run.folder}: {counted(found.counts)}"
    still = not (found.is_done or found.submitter or found.is_in_batch)
    yield outlook(found, looked_after=still and is_looked_after(run))
    yield ""
    rows = found.rows if show_all else _telling(found.rows)
    faults = {one.task: _word(one) for one in verdicts}
    yield from columns(HEAD, (_cells(row, faults.get(row.id, "")) for row in rows))
    if len(rows) < len(found.rows):
        yield f"and {plural(len(found.rows) - len(rows), 'task')} more (--all)"
    yield from _judged(verdicts, show_all)
    if advices := advice(found):
        yield from ("", *advices)


def _word(one: Judged) -> str:
    """A verdict as short as it can be, such as `bad: axes`."""
    faults = ", ".join(faults_in(one.findings))
    return f"{one.verdict}: {faults}" if faults else one.verdict


def _telling(rows: tuple[Row, ...]) -> list[Row]:
    """As many rows as one looks at, those that need attention before the others."""
    order = {"done": 2, "pending": 1, "queued": 1, "blocked": 1}
    chosen = sorted(rows, key=lambda row: order.get(row.status, 0))[:MOST_LINES]
    wanted = {row.id for row in chosen}
    return [row for row in rows if row.id in wanted]


def _cells(row: Row, verdict: str) -> tuple[str, ...]:
    words = row.status.replace("_", " ")
    told = row.cause or figures(row.figures) or verdict
    left, memory = duration(row.eta), memory_of(row)
    return row.id, words, progress_of(row), time_of(row), left, memory, told
