"""`show`: one result at a glance, its figures, pictures, and where its files are."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import Field, ValidationError

from hpc.ledger import Status
from hpc.paths import RunPaths
from hpc.record import Record
from ptychopinn_batch.commands.measures import MEASURES, Measure, measured
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.commands.resulttarget import find_results
from ptychopinn_batch.commands.screen import show_pictures, terminal
from ptychopinn_batch.commands.text import columns, plural, shown_path
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.report.record import Panel, ResultReport
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.results.run import RunResult
from ptychopinn_batch.verdict.findings import objections

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["show"]

SHOWN = ("amplitude", "phase")
IN_A_TABLE = ("R", "R held out", "phase corr.", "resolution", "frames/s")


class ShownResult(Record):
    """What `show --json` prints of a result; paths are absolute, `pictures` those that are there.

    metrics: null before it is done, or where another version wrote them.
    """

    run: str
    variant: str
    scan: str
    status: Status
    cause: str | None
    folder: str
    pictures: dict[str, str] = Field(default_factory=dict)
    metrics: Metrics | None


class ShownResults(Record):
    """What `show --json` prints."""

    results: tuple[ShownResult, ...]


@click.command()
@click.argument("result")
@runs_option
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON, for programs.")
def show(result: str, runs: Path, as_json: bool) -> None:
    """Show RESULT: its verdict, its figures, its pictures where the terminal can, and its files.

    RESULT is RUN/VARIANT/SCAN, as short as is clear, or the folder of a result. Where several are
    meant each is a line.

    Example: ptychopinn-batch show fly64/default/star
    """
    run, found = find_results(result, runs)
    if as_json:
        told = ShownResults(results=tuple(_told(each) for each in found))
        click.echo(told.model_dump_json(indent=1))
    elif len(found) == 1:
        _show(found[0])
    else:
        click.echo("\n".join(_table(run, found)))


def _told(result: RunResult) -> ShownResult:
    return ShownResult(
        run=result.run.name,
        variant=result.variant,
        scan=result.scan,
        status=result.row.status,
        cause=result.row.cause,
        folder=str(result.files.folder),
        pictures={name: str(path) for name, path in _files(result.files).items()},
        metrics=result.metrics,
    )


def _show(result: RunResult) -> None:
    metrics = result.metrics
    if metrics is None:
        click.echo(f"{result.name}: {result.standing}")
        return
    click.echo("\n".join(_lines(result, metrics)))
    _show_pictures(result.files)
    click.echo(f"files: {shown_path(result.files.folder)}")


def _lines(result: RunResult, metrics: Metrics) -> Iterator[str]:
    yield f"{result.name}: {metrics.verdict}"
    rows = [(f"  {name}", text, about) for name, text, about in measured(metrics)]
    yield from columns(("", "", ""), rows)[1:]
    for found in objections(metrics.findings):
        yield f"  - {found.judgement}, {found.fault}: {found.text}."


def _show_pictures(files: ResultPaths) -> None:
    """In the terminal where it can; else the names of the files."""
    console, panels = terminal(), _panels(files)
    if console is not None and panels:
        click.echo("   ".join(_caption(panel) for panel in panels))
        show_pictures(console, [_picture(panel) for panel in panels])
        return
    for name, path in _files(files).items():
        click.echo(f"{name}: {shown_path(path)}")


def _panels(files: ResultPaths) -> list[Panel]:
    """The pictures that the report shows; none where it could not be made."""
    with suppress(OSError, ValidationError):
        report = ResultReport.model_validate_json(files.report.read_bytes())
        return [panel for panel in report.panels if panel.name in SHOWN]
    return []


def _caption(panel: Panel) -> str:
    unit = f" {panel.unit}" if panel.unit else ""
    return f"{panel.name}, {panel.ends[0]} to {panel.ends[1]}{unit}"


def _picture(panel: Panel) -> Image:
    from PIL import Image

    return Image.open(io.BytesIO(base64.b64decode(panel.full)))


def _files(files: ResultPaths) -> dict[str, Path]:
    """The pictures that lie there."""
    named = {"amplitude": files.amplitude, "phase": files.phase}
    return {name: path for name, path in named.items() if path.exists()}


def _table(run: RunPaths, results: Sequence[RunResult]) -> Iterator[str]:
    """A line each."""
    if not results:
        yield f"Run {run.name} makes no results: its spec names no scans."
        return
    shown = [each for each in MEASURES if each.name in IN_A_TABLE]
    head = ("result", "verdict", *(each.name for each in shown), "")
    yield from columns(head, (_cells(result, shown) for result in results))
    yield f"{plural(len(results), 'result')}; `show` one of them by its name to see it."


def _cells(result: RunResult, shown: Sequence[Measure]) -> tuple[str, ...]:
    """A line of the table; what is not done says how far it is."""
    metrics = result.metrics
    if metrics is None:
        return result.name, *("-" for _ in ("", *shown)), result.standing
    return result.name, metrics.verdict, *(each.text(metrics) for each in shown), ""
