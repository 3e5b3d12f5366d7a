"""`clean`: remove what takes room and can be made again; says what, and asks first."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.record import Record
from ptychopinn_batch.commands.options import runs_option
from ptychopinn_batch.commands.target import find_run
from ptychopinn_batch.commands.text import bytes_text, columns, duration, plural, shown_path
from ptychopinn_batch.tidy.runs import KnownRun, known_runs
from ptychopinn_batch.tidy.things import KINDS, Kind, Survey, Thing
from ptychopinn_batch.tidy.tidying import look_over, tidy_up

__all__ = ["clean"]

MOST_LINES = 40


class Cleaned(Record):
    """What `clean --json` prints; without `removed`, what would be."""

    removed: bool
    found: Survey


@click.command()
@click.argument("run", nargs=-1)
@runs_option
@click.option(
    "--only",
    type=click.Choice(KINDS),
    multiple=True,
    help="Nothing but these; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON, for programs.")
def clean(
    run: Sequence[str], runs: Path, only: tuple[Kind, ...], dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Free the disk of what RUNs can make again: scan stores that no task waits for, checkpoints
    of finished trainings, what killed processes left behind. Of all runs where none is named.

    Results, packages, logs and records stay. A later submit makes again what it needs.

    Example: ptychopinn-batch clean fly64 --dry-run
    """
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json cannot ask: give --dry-run or --yes.")
    root, names = _chosen(run, runs)
    found = look_over(root, names, only or KINDS)
    if not as_json:
        click.echo("\n".join(_lines(found)))
    remove = not dry_run and found.things and (yes or _agrees(found))
    done = tidy_up(root, names, found) if remove else found
    if as_json:
        click.echo(Cleaned(removed=bool(remove), found=done).model_dump_json(indent=1))
    elif remove:
        click.echo(f"Removed {_things(done)}: {bytes_text(done.frees)} are free.")
    elif found.things:
        freed = f": {bytes_text(found.frees)} would be free" if dry_run else ""
        click.echo(f"Nothing was removed{freed}.")


def _chosen(targets: Sequence[str], runs: Path) -> tuple[RunPaths, set[str]]:
    """The folder of all runs, and the names of those that are meant: all where none is named.

    UserError where one that is named is at work.
    """
    if not targets:
        root = RunPaths(runs, "any")
        return root, {run.name for run in known_runs(root)}
    named = [find_run(target, runs) for target in targets]
    if len({run.root for run in named}) > 1:
        mend = "Clean them one folder at a time"
        raise UserError("these runs lie in different folders", where=", ".join(targets), mend=mend)
    for run in named:
        _refuse_busy(run)
    return named[0], {run.name for run in named}


def _refuse_busy(run: RunPaths) -> None:
    trouble = KnownRun(run).trouble
    if trouble is not None:
        mend = f"Wait until it is over, or `ptychopinn-batch cancel {run.name}`"
        raise UserError(trouble, where=shown_path(run.folder), mend=mend)


def _lines(found: Survey) -> Iterator[str]:
    if found.things:
        yield "Can be removed:"
        yield from _indented(_rows(found))
    if found.kept:
        yield "Stays:"
        kept = sorted(found.kept, key=lambda each: -each.size)
        yield from _indented(
            [(_room(each.size), shown_path(Path(each.path)), each.why) for each in kept]
        )
    if not found.things:
        yield "There is nothing to remove."


def _room(size: int) -> str:
    return bytes_text(size) if size else ""


def _rows(found: Survey) -> list[tuple[str, ...]]:
    """The largest first."""
    return [
        (thing.kind, bytes_text(thing.size), _about(thing), shown_path(Path(thing.path)))
        for thing in sorted(found.things, key=lambda each: -each.size)
    ]


def _about(thing: Thing) -> str:
    if thing.seconds is None:
        return thing.about
    return f"{thing.about}; made again in {duration(thing.seconds)} if it is needed"


def _indented(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    shown = rows[:MOST_LINES]
    yield from (f"  {line}" for line in columns(("",) * len(shown[0]), shown)[1:])
    if len(shown) < len(rows):
        yield f"  and {len(rows) - len(shown)} more (--json tells all)"


def _things(found: Survey) -> str:
    return plural(len(found.things), "thing")


def _agrees(found: Survey) -> bool:
    """Ask the user. UserError where there is nobody to be asked."""
    question = f"Remove {_things(found)} and free {bytes_text(found.frees)}?"
    try:
        return click.confirm(question, default=False)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo()
        mend = "Give --yes, or --dry-run to look only"
        raise UserError("nobody is there to be asked", where="clean", mend=mend) from None
