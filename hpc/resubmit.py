"""What of a run failed, and all that must run for it to succeed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from hpc.ledger import TaskState
from hpc.submission import PlannedTask, RunPlan

__all__ = ["AGAIN", "to_resubmit"]

AGAIN = ("failed", "timed_out", "killed", "cancelled", "requeued", "pending", "blocked")
"""Whatever is neither done nor on its way; "unknown" is for the user to look at."""


def to_resubmit(
    plan: RunPlan, states: Mapping[str, TaskState], wanted: Collection[str] | None = None
) -> list[str]:
    """The tasks to run again, in plan order: those wanted, all that failed by default.

    With them go what they need and lack, and what was blocked behind them alone.
    """
    by_id = {task.id: task for task in plan.tasks}
    chosen = {task.id for task in plan.tasks if _is_over(task, states)}
    if wanted is not None:
        chosen &= set(wanted)
    _add_needs(by_id, states, chosen)
    _add_blocked(by_id, states, chosen)
    return [task.id for task in plan.tasks if task.id in chosen]


def _is_over(task: PlannedTask, states: Mapping[str, TaskState]) -> bool:
    state = states[task.id]
    if state.done_key == task.key or (state.batch and state.status == "requeued"):
        return False
    return state.status in AGAIN or state.status == "done"  # done with other settings


def _add_needs(
    by_id: Mapping[str, PlannedTask], states: Mapping[str, TaskState], chosen: set[str]
) -> None:
    waiting = list(chosen)
    while waiting:
        for need in by_id[waiting.pop()].needs:
            if need not in chosen and _is_over(by_id[need], states):
                chosen.add(need)
                waiting.append(need)


def _add_blocked(
    by_id: Mapping[str, PlannedTask], states: Mapping[str, TaskState], chosen: set[str]
) -> None:
    for task in by_id.values():  # needs stand before their tasks
        lacking = {need for need in task.needs if _is_over(by_id[need], states)}
        if states[task.id].status == "blocked" and lacking and lacking <= chosen:
            chosen.add(task.id)
