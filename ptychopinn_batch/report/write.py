"""When tasks write the report: at the end of one that finished a result.

They do so now and then while results arrive, and always after the last one. A report is never
worth a result: whatever goes wrong with one is logged, and the task goes on.
"""

from __future__ import annotations

from hpc.errors import LockedError
from hpc.fsio import read_json
from hpc.ledger import UNFINISHED, read_state
from hpc.paths import RunPaths
from hpc.submission import PlannedTask, read_plan
from hpc.task import Task
from ptychopinn_batch.report.live import PATIENCE, is_fresh, optional, write_report
from ptychopinn_batch.report.record import ResultReport
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.results.records import read_record
from ptychopinn_batch.stages.params import FinalizeParams

__all__ = ["refresh"]


def refresh(run: RunPaths) -> None:
    """Have the report tell of a result that has just been finished, soon if not at once."""
    with optional("the report"):
        last = _is_last(run)
        if not last and is_fresh(run):
            return
        try:
            write_report(run, wait=PATIENCE if last else 0)
        except LockedError:
            if last:
                raise


def _is_last(run: RunPaths) -> bool:
    """Whether no other result is on its way. Every finalize task asks: mostly this is one look,
    for what is last in the plan comes last."""
    backwards = reversed(read_plan(run).tasks)
    results = (task for task in backwards if task.stage == FinalizeParams.stage)
    return not any(_is_on_the_way(run, task) for task in results)


def _is_on_the_way(run: RunPaths, task: PlannedTask) -> bool:
    state = read_state(run, task.id)
    if state.done_key == task.key:
        return False
    is_over = state.status not in UNFINISHED and state.key in (None, task.key)
    return not (is_over or _has_figures(run, task))


def _has_figures(run: RunPaths, task: PlannedTask) -> bool:
    """Whether it has written its figures with these settings: then only its end is to record."""
    paths = ResultPaths.of(run, read_json(run.task(task.id), Task))
    told = read_record(paths.report, ResultReport)
    return told is not None and told.key == task.key and paths.metrics.exists()
