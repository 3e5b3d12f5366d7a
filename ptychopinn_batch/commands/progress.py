"""How a run shows its progress: a live view on a terminal, lines with the time elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO

import click

from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.text import (
    counted,
    duration,
    figures,
    memory_of,
    percent,
    progress_of,
    time_of,
)

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live
    from rich.table import Table

__all__ = ["Lines", "Watcher", "drawn", "headline", "watcher"]

REPEAT = 30.0  # seconds between two lines on the same running task
MOST_SHOWN = 12  # tasks of a kind in the live view
BAR = 24  # characters


class Watcher(Protocol):
    """Is told how a run stands, again and again."""

    def update(self, status: RunStatus) -> None: ...


@contextmanager
def watcher(stream: TextIO, *, onlooker: bool = False) -> Iterator[Watcher]:
    """What fits the stream. An onlooker keeps the last view, and has not begun the work."""
    if not stream.isatty():
        yield Lines(click.echo)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(file=stream), auto_refresh=False, transient=not onlooker) as live:
        yield _View(live, None if onlooker else time.monotonic())


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
    """Stages with bars, the running and the failed tasks below them."""

    def __init__(self, live: Live, began: float | None) -> None:
        self._live = live
        self._began = began

    def update(self, status: RunStatus) -> None:
        """Draw the view anew."""
        elapsed = None if self._began is None else time.monotonic() - self._began
        self._live.update(drawn(status, elapsed), refresh=True)


def headline(status: RunStatus, elapsed: float | None = None) -> str:
    """The whole run in one line."""
    took = duration(elapsed) if elapsed is not None else ""
    left = f"about {duration(status.eta)} left" if status.eta else ""
    times = ", ".join(filter(None, (took, left)))
    return f"{status.run}: {counted(status.counts)}" + (f"; {times}" if times else "")


def drawn(status: RunStatus, elapsed: float | None = None) -> Group:
    """What the live view shows."""
    from rich.console import Group
    from rich.text import Text

    return Group(Text(headline(status, elapsed)), _stages(status), _tasks(status))


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


def _tasks(status: RunStatus) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for cell in _Cells._fields:
        table.add_column(no_wrap=cell != "words")  # that one is cut first where there is no room
    _add(table, [row for row in status.rows if row.status == "running"])
    _add(table, [row for row in status.rows if row.has_failed])
    return table


def _add(table: Table, rows: Sequence[Row]) -> None:
    """As many rows as one looks at."""
    from rich.text import Text

    for row in rows[:MOST_SHOWN]:
        cells = _cells(row)
        table.add_row(*(Text(cell, overflow="ellipsis", no_wrap=True) for cell in cells))
    if len(rows) > MOST_SHOWN:
        table.add_row(f"  and {len(rows) - MOST_SHOWN} more")


class _Cells(NamedTuple):
    """What the table of tasks says of one of them."""

    task: str
    state: str
    words: str
    left: str
    time: str
    memory: str
    place: str


def _cells(row: Row) -> _Cells:
    return _Cells(
        task=f"  {row.id}",
        state=progress_of(row) if row.total else row.status.replace("_", " "),
        words="; ".join(filter(None, (row.cause, figures(row.figures)))),
        left=f"{duration(row.eta)} left" if row.eta is not None else "",
        time="" if row.seconds is None else f"{time_of(row)} {percent(row.time_share)}",
        memory="" if row.peak_mb is None else f"{memory_of(row)} {percent(row.memory_share)}",
        place=" ".join(filter(None, (_short(row.host), row.job))),
    )


def _short(host: str | None) -> str:
    """A host without its domain, which is the same for all."""
    return host.partition(".")[0] if host else ""
