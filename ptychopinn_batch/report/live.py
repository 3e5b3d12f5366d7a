"""Writing the report: as a whole, by one at a time, and now and then while somebody looks on.

Light until one is written: `watch` imports it. Nothing depends on a report: what goes wrong with
one is said, and whoever wanted it goes on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc.errors import LockedError
from hpc.fsio import write_atomic
from hpc.lease import Lease
from hpc.paths import RunPaths
from hpc.status import RunStatus, read_status

__all__ = ["PATIENCE", "LiveReport", "is_fresh", "optional", "rewrite", "write_report"]

FRESH = 30.0  # seconds for which a report is new enough while results arrive
PATIENCE = 120.0  # seconds to wait for another that is writing it
SHARE = (
    20  # times as long as writing took, nothing is written: the page of a thousand takes seconds
)

log = logging.getLogger(__name__)


def write_report(run: RunPaths, status: RunStatus | None = None, wait: float = PATIENCE) -> Path:
    """Write the report as the run stands. UserError where it was never submitted, LockedError
    where another has been writing it for `wait` seconds."""
    from ptychopinn_batch.report.collect import collect
    from ptychopinn_batch.report.page import render

    found = collect(run, status or read_status(run))
    path = run.lock_folder / f"{run.report.stem}.lock"
    with Lease(path, f"{run.report} is written", wait=wait):
        write_atomic(run.report, render(found), durable=False)
    return run.report


def rewrite(run: RunPaths) -> None:
    """Write it if that can be done."""
    with optional("the report"):
        write_report(run)


@contextmanager
def optional(what: str) -> Iterator[None]:
    """Do something that nothing depends on: log what goes wrong, and go on."""
    try:
        yield
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        log.warning("%s could not be made (%s); nothing else is the worse for it", what, why)
        log.debug("where", exc_info=True)


def is_fresh(run: RunPaths) -> bool:
    """Whether the report was written a moment ago, by whomever."""
    try:
        age = time.time() - run.report.stat().st_mtime
    except FileNotFoundError:
        return False
    return 0 <= age < FRESH  # a clock that was put back makes no report the freshest for ever


class LiveReport:
    """The report of a run that is looked on at: rewritten when something is new, now and then."""

    def __init__(self, run: RunPaths, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._clock = clock
        self._told: tuple[object, ...] | None = None
        self._due = 0.0
        self._may = os.access(run.folder, os.W_OK)  # anybody may look on, not all may write

    def update(self, status: RunStatus) -> None:
        """How the run stands: the first look tells what is no news."""
        news = tuple((row.id, row.status, row.attempt) for row in status.rows)
        if self._told is None:
            self._told = news
        if self._may and news != self._told and self._clock() >= self._due:
            self._write(status, news)

    def _write(self, status: RunStatus, news: tuple[object, ...]) -> None:
        began = self._clock()
        self._due = began + FRESH / 10
        if is_fresh(self._run):
            return
        try:
            write_report(self._run, status, wait=0)
        except LockedError:
            return  # another is writing it
        except Exception as error:
            log.warning("the report could not be made (%s: %s)", type(error).__name__, error)
            self._may = False  # said once; the end of the run writes it, or says it again
            return
        self._told = news
        self._due = self._clock() + max(FRESH, SHARE * (self._clock() - began))
