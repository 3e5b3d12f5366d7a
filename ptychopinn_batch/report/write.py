"""When tasks write the report: at the end of one that finished a result.

They do so now and then while results arrive, and always after the last one. A report is never
worth a result: whatever goes wrong with one is logged, and the task goes on.
"""

from __future__ import annotations

from hpc.errors import LockedError
from hpc.fsio import read_json
from hpc.ledger import UNFINISHED
from hpc.paths import RunPaths
from hpc.status import RunStatus, read_status
from hpc.task import Task
from ptychopinn_batch.report.live import PATIENCE, is_fresh, optional, write_report
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.stages.params import FinalizeParams

__all__ = ["refresh"]


def refresh(run: RunPaths) -> None:
    """Have the report tell of a result that has just been finished, soon if not at once."""
    with optional("the report"):
        status = read_status(run)
        last = _is_last(run, status)
        if not last and is_fresh(run):
            return
        try:
            write_report(run, status, wait=PATIENCE if last else 0)
        except LockedError:
            if last:
                raise


def _is_last(run: RunPaths, status: RunStatus) -> bool:
    """Whether no other result is on its way. Cheap: every finalize task asks."""
    on_the_way = (
        row.id
        for row in status.rows
        if row.stage == FinalizeParams.stage and row.status in UNFINISHED
    )
    # One that has written its figures has only its end to record.
    return all(_has_figures(run, name) for name in on_the_way)


def _has_figures(run: RunPaths, name: str) -> bool:
    return ResultPaths.of(run, read_json(run.task(name), Task)).metrics.exists()
