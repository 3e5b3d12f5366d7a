"""When the report is written: at the end of a task that finished a result, or when asked for.

Tasks write it now and then while results arrive, and always after the last one. A report is never
worth a result: whatever goes wrong with one is logged, and the task goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc.errors import LockedError
from hpc.fsio import read_json, write_atomic
from hpc.lease import Lease
from hpc.ledger import UNFINISHED
from hpc.paths import RunPaths
from hpc.status import StatusReader, read_status
from hpc.task import Task
from ptychopinn_batch.report.collect import collect
from ptychopinn_batch.report.page import render
from ptychopinn_batch.results import ResultPaths
from ptychopinn_batch.stages.params import FinalizeParams

__all__ = ["optional", "refresh", "write_report"]

FRESH = 30.0  # seconds for which a report is new enough while results arrive
PATIENCE = 120.0  # seconds that the last task waits for another that is writing it

log = logging.getLogger(__name__)


def write_report(run: RunPaths, reader: StatusReader | None = None) -> Path:
    """Write the report as the run stands now. UserError where it was never submitted."""
    found = collect(run, reader)
    with _writing(run, PATIENCE):
        write_atomic(run.report, render(found), durable=False)
    return run.report


def refresh(run: RunPaths) -> None:
    """Have the report tell of a result that has just been finished, soon if not at once."""
    with optional("the report"):
        last = _is_last(run)
        if not last and time.time() - _written(run) < FRESH:
            return
        try:
            with _writing(run, PATIENCE if last else 0):
                write_atomic(run.report, render(collect(run)), durable=False)
        except LockedError:
            if last:
                raise


@contextmanager
def optional(what: str) -> Iterator[None]:
    """Do something that nothing depends on: log what goes wrong, and go on."""
    try:
        yield
    except Exception:
        log.warning("%s could not be made; nothing else is the worse for it", what, exc_info=True)


def _writing(run: RunPaths, wait: float) -> Lease:
    path = run.lock_folder / f"{run.report.stem}.lock"
    return Lease(path, f"{run.report} is written", wait=wait)


def _written(run: RunPaths) -> float:
    try:
        return run.report.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _is_last(run: RunPaths) -> bool:
    """Whether no other result is on its way. Cheap: every finalize task asks."""
    on_the_way = (
        row.id
        for row in read_status(run).rows
        if row.stage == FinalizeParams.stage and row.status in UNFINISHED
    )
    # One that has written its figures has only its end to record.
    return all(_has_figures(run, name) for name in on_the_way)


def _has_figures(run: RunPaths, name: str) -> bool:
    return ResultPaths.of(run, read_json(run.task(name), Task)).metrics.exists()
