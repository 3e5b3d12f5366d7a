"""`compare`: two runs, or parts of them, side by side: settings, figures, pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import JsonValue

from hpc.errors import HpcError, UserError
from hpc.paths import RunPaths
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.commands.pairing import Paired, Pairing, pair_up
from ptychopinn_batch.commands.resulttarget import find_results
from ptychopinn_batch.commands.settings import Setting, differing, settings_of
from ptychopinn_batch.commands.sidetext import figures_text, settings_text
from ptychopinn_batch.commands.text import shown_path
from ptychopinn_batch.results.run import RunResult

if TYPE_CHECKING:
    from ptychopinn_batch.results.sidebyside import Pair, View

__all__ = ["compare"]


@dataclass(frozen=True)
class Side:
    """A run, and those of its results that are compared; `label` heads its column."""

    label: str
    run: RunPaths
    results: tuple[RunResult, ...]

    @property
    def settings(self) -> JsonValue:
        return settings_of(self.run, {result.variant for result in self.results})


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@runs_option
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the pictures side by side, as PNG.",
)
@click.option("--all", "show_all", is_flag=True, help="Every result, however many there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON, for programs.")
def compare(
    first: str, second: str, runs: Path, output: Path | None, show_all: bool, as_json: bool
) -> None:
    """Compare RUN with RUN: the settings that differ, figures side by side, and the pictures of a
    single pair of results, in the terminal where it can show them.

    RUN/VARIANT or RUN/VARIANT/SCAN means a part of a run.

    Example: ptychopinn-batch compare fly64 fly64_32steps --output both.png
    """
    a, b = _sides(first, second, runs)
    settings, pairing = tuple(differing(a.settings, b.settings)), pair_up(a.results, b.results)
    program = tuple(_programs(pairing))
    pair = _drawn(pairing, needed=output is not None)
    if output is not None and pair is not None:
        _write(pair, pairing.pairs[0], output)
    if as_json:
        click.echo(_as_json((*settings, *program), pairing, pair))
        return
    labels = a.label, b.label
    click.echo("\n".join(settings_text(labels, (*settings, *program))))
    click.echo("\n".join(figures_text(labels, pairing, show_all=show_all)))
    _tell_of_pictures(pair, pairing, output)


def _sides(first: str, second: str, runs: Path) -> tuple[Side, Side]:
    """Both, headed by their runs' names, or by what was typed where these are the same."""
    found = [find_results(target, runs) for target in (first, second)]
    names = [run.name for run, _ in found]
    labels = names if names[0] != names[1] else [first, second]
    a, b = (Side(label, *each) for label, each in zip(labels, found, strict=True))
    return a, b


def _programs(pairing: Pairing) -> Iterator[Setting]:
    """In what the programs differ that made the first pair."""
    for pair in pairing.pairs[:1]:
        a, b = (each.program.model_dump(mode="json") for each in (pair.a, pair.b))
        yield from differing(a, b, "program")


def _drawn(pairing: Pairing, *, needed: bool) -> Pair | None:
    """The pictures of the only pair; None where there are several, or an object is gone.

    UserError where they are needed.
    """
    from ptychopinn_batch.results.sidebyside import side_by_side

    if len(pairing.pairs) != 1:
        if needed:
            raise _not_one(pairing)
        return None
    pair = pairing.pairs[0]
    a, b = (each.files.object_array for each in (pair.a, pair.b))
    try:
        return side_by_side(a, b, (pair.a.name, pair.b.name))
    except HpcError:
        if needed:
            raise
        return None


def _not_one(pairing: Pairing) -> UserError:
    known = ", ".join(pair.name for pair in pairing.pairs[:3])
    there = f"there are {known}" if known else "these runs have none in common"
    mend = f"Name one as RUN/VARIANT/SCAN; {there}"
    what = f"pictures are of one pair of results, and these are {len(pairing.pairs)}"
    return UserError(what, where="--output", mend=mend)


def _write(pair: Pair, of: Paired, output: Path) -> None:
    from ptychopinn_batch.results.sidebyside import write_pair

    write_pair(pair, f"{of.a.name} and {of.b.name}", output)


def _tell_of_pictures(pair: Pair | None, pairing: Pairing, output: Path | None) -> None:
    if pair is not None:
        _show(pair)
    elif len(pairing.pairs) > 1:
        click.echo("For pictures, compare one pair: RUN/VARIANT/SCAN RUN/VARIANT/SCAN.")
    if output is not None:
        click.echo(f"pictures: {shown_path(output)}")


def _show(pair: Pair) -> None:
    """How alike the objects are, and the pictures where the terminal can show them."""
    from ptychopinn_batch.commands.screen import show_pictures, terminal
    from ptychopinn_batch.results.sidebyside import coloured

    if pair.note:
        click.echo(f"objects {pair.note}")
    if pair.similarity is not None:
        alike = asdict(pair.similarity).items()
        words = (f"{name} {value:.4f}" for name, value in alike if value is not None)
        click.echo(f"the first object compared with the second: {', '.join(words)}")
    console = terminal()
    if console is not None:
        for row in pair.rows:
            click.echo("   ".join(_caption(view) for view in row))
            show_pictures(console, [coloured(view) for view in row])


def _caption(view: View) -> str:
    low, high = view.limits
    return f"{view.title}, {low:.3g} to {high:.3g} {view.unit}".rstrip()


def _as_json(settings: Sequence[Setting], pairing: Pairing, pair: Pair | None) -> str:
    found = {
        "settings": [setting.model_dump(mode="json") for setting in settings],
        "results": [{"a": _told(each.a), "b": _told(each.b)} for each in pairing.pairs],
        "only_a": [each.name for each in pairing.only_a],
        "only_b": [each.name for each in pairing.only_b],
        "objects": asdict(pair.similarity) if pair and pair.similarity else None,
    }
    return json.dumps(found, indent=1)


def _told(result: RunResult) -> dict[str, JsonValue]:
    metrics = result.metrics
    return {
        "name": result.name,
        "status": result.row.status,
        "folder": str(result.files.folder),
        "metrics": metrics.as_json() if metrics else None,
    }
