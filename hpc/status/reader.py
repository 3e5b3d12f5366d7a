"""Reads how a run stands from its plan, ledgers and heartbeats, and reads little."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import JsonValue

from hpc.errors import UserError
from hpc.heartbeat import Heartbeat, read_heartbeat
from hpc.lease import at_work
from hpc.ledger import Status, TaskState, folded_state, read_state, settle
from hpc.paths import RunPaths
from hpc.status.table import Row, RunStatus
from hpc.submission import PlannedTask, RunPlan, read_plan

__all__ = ["StatusReader", "read_status"]

Complete = Callable[[Mapping[str, TaskState]], dict[str, TaskState]]

NEW = TaskState()


class StatusReader:
    """Reads the status of a run again and again, each time only what has changed."""

    def __init__(self, run: RunPaths, complete: Complete = dict) -> None:
        """`complete` adds to recorded states what only a batch system knows."""
        self._run = run
        self._complete = complete
        self._plan: tuple[tuple[int, int], RunPlan] | None = None
        self._states: dict[str, tuple[tuple[int, int], TaskState]] = {}

    def read(self) -> RunStatus:
        """The status now. Raises UserError when the run was never submitted."""
        submitted, plan = self._read_plan()
        owner = at_work(self._run.lock)  # before the ledgers: whoever was at work has written them
        self._read_ledgers({self._run.ledger_name(task.id): task.id for task in plan.tasks})
        states = self._complete({task.id: self._state(task.id) for task in plan.tasks})
        now = time.time()
        return RunStatus(
            run=self._run.name,
            at=now,
            submitter=str(owner) if owner else None,
            rows=tuple(self._row(task, states[task.id], now) for task in plan.tasks),
            submitted=submitted / 1e9,
            changed=max([submitted, *(told[0] for told, _ in self._states.values())]) / 1e9,
        )

    def result_of(self, task_id: str) -> dict[str, JsonValue] | None:
        """What a task told at its end, as of the last look; None where it told nothing."""
        _, state = self._states.get(task_id, (None, NEW))
        return state.result

    def _read_plan(self) -> tuple[int, RunPlan]:
        """When it was written, in nanoseconds since 1970, and the plan."""
        try:
            signature = _signature(self._run.plan.stat())
        except FileNotFoundError:
            raise _no_such_run(self._run) from None
        if self._plan is None or self._plan[0] != signature:
            self._plan = signature, read_plan(self._run)
        return signature[0], self._plan[1]

    def _read_ledgers(self, wanted: dict[str, str]) -> None:
        before, self._states = self._states, {}
        if not self._run.ledger_folder.is_dir():
            return  # no task has been tried, or somebody removed what became of them
        with os.scandir(self._run.ledger_folder) as entries:
            for entry in entries:
                task_id = wanted.get(entry.name)
                if task_id is None:
                    continue
                signature = _signature(entry.stat())
                known = before.get(task_id)
                if known is None or known[0] != signature:
                    known = signature, folded_state(entry)
                self._states[task_id] = known

    def _state(self, task_id: str) -> TaskState:
        _, state = self._states.get(task_id, (None, NEW))
        return state if settle(state) is state else read_state(self._run, task_id)

    def _row(self, task: PlannedTask, state: TaskState, now: float) -> Row:
        if state.status == "running":
            return _running(task, state, read_heartbeat(self._run.heartbeat(task.id)), now)
        return _resting(task, state)


def read_status(run: RunPaths) -> RunStatus:
    """The status of a run now. Raises UserError when it was never submitted."""
    return StatusReader(run).read()


def _running(task: PlannedTask, state: TaskState, beat: Heartbeat | None, now: float) -> Row:
    row = Row(
        **_known(task, state),
        status="running",
        cause=f"asked to stop {state.cancel}" if state.cancel else None,
        seconds=max(0.0, now - (state.started or now)),
    )
    if beat is None or beat.attempt != state.attempt:  # of an earlier attempt
        return row
    return row.model_copy(
        update={
            "progress": beat.progress,
            "step": beat.step,
            "total": beat.total,
            "figures": beat.figures,
            "eta": beat.remaining(now),
            "peak_mb": _on_a_node(task, beat.peak_mb),
        }
    )


def _resting(task: PlannedTask, state: TaskState) -> Row:
    """A task that does not run. What an older key came to says nothing about this one."""
    if state.done_key == task.key:
        status: Status = "done"
    elif state.key is not None and state.key != task.key:
        return Row(**_known(task, TaskState(attempt=state.attempt)), status="pending")
    else:
        status = state.status
    return Row(
        **_known(task, state),
        status=status,
        cause=None if status == "done" else state.cause,
        tail=state.tail,
        progress=1.0 if status == "done" else None,
        seconds=state.seconds,
        peak_mb=_on_a_node(task, state.peak_mb),
    )


def _known(task: PlannedTask, state: TaskState) -> dict[str, Any]:
    """What a row says of a task whatever became of it."""
    asked = task.resources
    return {
        "id": task.id,
        "stage": task.stage,
        "attempt": state.attempt,
        "host": state.host,
        "pid": state.pid,
        "job": state.job,
        "batch": state.batch,
        "mem_gb": asked.mem_gb if asked else None,
        "time_limit": asked.time.total_seconds() if asked else None,
    }


def _on_a_node(task: PlannedTask, peak_mb: float | None) -> float | None:
    """Memory is asked for by node and measured by process; the processes of a node are alike."""
    alike = task.resources.tasks_per_node if task.resources else 1
    return None if peak_mb is None else peak_mb * alike


def _signature(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_mtime_ns, stat.st_size


def _no_such_run(run: RunPaths) -> UserError:
    others = ", ".join(run.others()) or "none"
    return UserError(
        f"no run named {run.name!r} has been submitted",
        where=str(run.root),
        mend=f"Runs in this folder: {others}",
    )
