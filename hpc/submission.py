"""From tasks to files: what every executor reads before it decides and writes before it starts."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc.errors import StateError
from hpc.fsio import read_json, write_atomic, write_changed
from hpc.ledger import Queued, TaskState, append, read_states
from hpc.paths import RunPaths
from hpc.plan import Action, Decision, check_graph, decide, left_alone
from hpc.record import Record
from hpc.resources import Resources
from hpc.task import Task

__all__ = [
    "PlannedTask",
    "RunPlan",
    "Submission",
    "plan_run",
    "read_plan",
    "record_submission",
    "record_task",
]


class PlannedTask(Record):
    """One line of a plan: enough to show a run without opening a task."""

    id: str
    stage: str
    key: str
    needs: tuple[str, ...]
    action: Action
    reason: str
    resources: Resources | None = None  # None: planned by an older version


class RunPlan(Record):
    """`plan.json`: every task of a run, in order, as it was last submitted."""

    version: int = 1
    tasks: tuple[PlannedTask, ...]


@dataclass(frozen=True)
class Submission:
    """Decisions, and the states they were made from."""

    decisions: tuple[Decision, ...]
    states: Mapping[str, TaskState]

    def of(self, action: Action) -> list[Task]:
        """The tasks with this decision, in plan order."""
        return [decision.task for decision in self.decisions if decision.action == action]


def plan_run(
    run: RunPaths, tasks: Sequence[Task], only: Collection[str] | None = None
) -> Submission:
    """Decide on every task from what is on disk; writes nothing.

    With `only`, no others are to run: those must be all that the chosen ones need and lack.
    """
    check_graph(tasks)
    states = read_states(run, (task.id for task in tasks))
    previous = read_previous(run, tasks, states)
    missing = find_missing(run, tasks, states)
    decisions = decide(tasks, states, previous, missing)
    if only is not None:
        wanted = set(only)
        decisions = tuple(left_alone(d) if d.task.id not in wanted else d for d in decisions)
    return Submission(decisions, states)


def read_plan(run: RunPaths) -> RunPlan:
    """The plan as it was last submitted. Raises StateError where it is missing or damaged."""
    try:
        return read_json(run.plan, RunPlan)
    except StateError as error:
        raise StateError(error.what, where=error.where, mend="Submit the run again") from None


def read_previous(
    run: RunPaths, tasks: Iterable[Task], states: Mapping[str, TaskState]
) -> dict[str, Task]:
    """The tasks as last submitted, where a decision needs them: only those neither new nor done."""
    previous: dict[str, Task] = {}
    for task in tasks:
        state = states[task.id]
        if state.attempt and state.done_key != task.key:
            with contextlib.suppress(StateError):  # a broken one is written again
                previous[task.id] = read_json(run.task(task.id), Task)
    return previous


def find_missing(
    run: RunPaths, tasks: Iterable[Task], states: Mapping[str, TaskState]
) -> dict[str, str]:
    """The first output that is gone, of each done task that has lost one. Looks at names only."""
    done = (task for task in tasks if states[task.id].done_key == task.key)
    first = ((task.id, _first_gone(run, task)) for task in done)
    return {task_id: output for task_id, output in first if output is not None}


def record_submission(run: RunPaths, submission: Submission) -> None:
    """Write the plan and every task that is to run; the caller holds the lock of the run."""
    run.create()
    write_atomic(run.plan, describe(submission.decisions).model_dump_json(indent=1))
    for task in submission.of("run"):
        state = submission.states[task.id]
        record_task(run, task, again=state.status != "pending" or state.done_key == task.key)
    for task in submission.of("wait"):
        state = submission.states[task.id]
        if state.status == "running" and state.key != task.key:
            # It runs with other settings: whoever starts it next does so with these.
            _write_task(run, task)


def record_task(run: RunPaths, task: Task, *, again: bool) -> None:
    """Write one task that is to run; `again` when what its ledger says last is void now."""
    # Before the task file: a kill in between leaves a task whose change can still be told.
    if again:
        append(run.ledger(task.id), Queued(key=task.key))
    _write_task(run, task)


def _write_task(run: RunPaths, task: Task) -> None:
    # Not synced: thousands of them, and one that a power cut takes is written by the next submit.
    write_changed(run.task(task.id), task.model_dump_json(indent=1), durable=False)


def describe(decisions: Iterable[Decision]) -> RunPlan:
    """Decisions as the plan that is stored."""
    return RunPlan(
        tasks=tuple(
            PlannedTask(
                id=decision.task.id,
                stage=decision.task.stage,
                key=decision.task.key,
                needs=decision.task.needs,
                action=decision.action,
                reason=decision.reason,
                resources=decision.task.resources,
            )
            for decision in decisions
        )
    )


def _first_gone(run: RunPaths, task: Task) -> str | None:
    return next((output for output in task.outputs if _is_gone(run.root / output)), None)


def _is_gone(path: Path) -> bool:
    """Whether nothing has this name. A disk that does not answer has not lost anything."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
