"""`watch`: how a run goes on, live, until it is over. Nothing depends on it.

It looks on, and has the report follow: on a cluster nobody else does so between two results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

import click

from hpc.slurm.observe import is_looked_after
from hpc.slurm.status import ClusterReader
from hpc.status import RunStatus
from ptychopinn_batch.cli import Exit
from ptychopinn_batch.commands.onlook import looks
from ptychopinn_batch.commands.progress import Watcher, drawn, headline, watcher
from ptychopinn_batch.commands.target import find_run, run_argument
from ptychopinn_batch.commands.text import outlook, plural
from ptychopinn_batch.commands.verdicts import Warnings
from ptychopinn_batch.report.live import LiveReport

WIDE = 200  # characters of a line that is not for a terminal


@click.command()
@run_argument
@click.option(
    "--interval",
    type=click.IntRange(1, 3600),
    default=2,
    show_default=True,
    metavar="S",
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Show the table as it is now, and end.")
def watch(run: str, runs: Path, interval: int, once: bool) -> int:
    """Watch RUN until it is over: stages, running and failed tasks, time left, what they use.
    Its report is rewritten meanwhile, where this account may.

    Ctrl-C ends the watching, nothing else. Exit code 1 if something failed.

    Example: ptychopinn-batch watch fly64
    """
    paths = find_run(run, runs)
    reader = ClusterReader(paths)
    if once:
        return _show_once(reader.read())
    sights = looks(reader, interval, partial(is_looked_after, paths))
    return watch_all(sights, Warnings(reader.result_of, click.echo), LiveReport(paths))


def watch_all(sights: Iterator[RunStatus], *others: Watcher) -> int:
    """Show how a run stands again and again, and in the end what came of it."""
    found = next(sights)
    if not sys.stdout.isatty():
        click.echo(headline(found))
    with watcher(sys.stdout, onlooker=True) as show:
        for sight in chain([found], sights):
            found = sight
            for one in (show, *others):
                one.update(found)
    click.echo(_verdict(found))
    return Exit.OK if found.is_done else Exit.FAILED


def _show_once(found: RunStatus) -> int:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else WIDE).print(drawn(found))
    failed = any(row.has_failed or row.status == "blocked" for row in found.rows)
    return Exit.FAILED if failed else Exit.OK


def _verdict(found: RunStatus) -> str:
    if found.is_done:
        return outlook(found)
    done, total = found.counts.get("done", 0), plural(len(found.rows), "task")
    words = [f"{done} of {total} are done."]
    if any(row.has_failed for row in found.rows):
        words.append(f"What failed has printed: `ptychopinn-batch logs {found.run} --failed`.")
    if found.stands_still:
        words.append(outlook(found))
    return " ".join(words)
