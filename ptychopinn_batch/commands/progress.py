"""How a submit shows its progress: a live view on a terminal, lines with the time elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

import click

from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.text import counted, duration, figures, progress_of

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.table import Table

__all__ = ["Lines", "Watcher", "drawn", "watcher"]

REPEAT = 30.0  # seconds between two lines on the same running task
MOST_RUNNING = 12  # tasks shown in the live view
BAR = 24  # characters


class Watcher(Protocol):
    """Is told how a run stands, again and again."""

    def update(self, status: RunStatus) -> None: ...


@contextmanager
def watcher(stream: TextIO) -> Iterator[Watcher]:
    """What fits the stream."""
    if not stream.isatty():
        yield Lines(click.echo)
        return
    from rich.live import Live

    with Live(auto_refresh=False, transient=True) as live:
        yield _View(live)


class Lines:
    """A line for every task that starts or ends, and now and then for those that go on."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._say = say
        self._clock = clock
        self._status: dict[str, str] = {}
        self._told: dict[str, float] = {}

    def update(self, status: RunStatus) -> None:
        """Say what is new; of what was so before the first look, only what runs."""
        now = self._clock()
        for row in status.rows:
            if self._is_news(row, now):
                self._tell(row, now)
            self._status[row.id] = row.status

    def _is_news(self, row: Row, now: float) -> bool:
        before, running = self._status.get(row.id), row.status == "running"
        if before != row.status:
            return running or before is not None
        return running and now - self._told.get(row.id, now) >= REPEAT

    def _tell(self, row: Row, now: float) -> None:
        self._told[row.id] = now
        stamp = time.strftime("%H:%M:%S", time.localtime(now))
        self._say(f"{stamp}  {row.id}  {_said(row)}")


def _said(row: Row) -> str:
    """What a line says of a task."""
    words = row.status.replace("_", " ")
    if row.status == "running":
        if row.step is None:
            return words
        left = f", {duration(row.eta)} left" if row.eta is not None else ""
        shown = f", {figures(row.figures)}" if row.figures else ""
        return f"{progress_of(row)}{shown}{left}"
    cause = f": {row.cause}" if row.cause else ""
    return f"{words}{cause}" + (f" ({duration(row.seconds)})" if row.seconds is not None else "")


class _View:
    """Stages with bars, the running tasks below them."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._began = time.monotonic()

    def update(self, status: RunStatus) -> None:
        """Draw the view anew."""
        self._live.update(drawn(status, time.monotonic() - self._began), refresh=True)


def drawn(status: RunStatus, elapsed: float) -> Group:
    """What the live view shows."""
    from rich.console import Group
    from rich.text import Text

    left = f", about {duration(status.eta)} left" if status.eta else ""
    head = Text(f"{status.run}: {counted(status.counts)}; {duration(elapsed)}{left}")
    return Group(head, _stages(status), _running(status))


def _stages(status: RunStatus) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for stage in status.stages:
        rows = [row for row in status.rows if row.stage == stage.stage]
        done = sum(row.progress or 0.0 for row in rows)
        bar = ProgressBar(total=len(rows), completed=done, width=BAR)
        table.add_row(stage.stage, bar, counted(stage.counts))
    return table


def _running(status: RunStatus) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    rows = [row for row in status.rows if row.status == "running"]
    for row in rows[:MOST_RUNNING]:
        eta = f"{duration(row.eta)} left" if row.eta is not None else ""
        cells = (f"  {row.id}", progress_of(row), figures(row.figures), eta)
        table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in cells))
    if len(rows) > MOST_RUNNING:
        table.add_row(f"  and {len(rows) - MOST_RUNNING} more")
    return table
