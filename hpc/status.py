"""How a run stands: its plan, ledgers and heartbeats as one table. Reads only, and reads little."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from pydantic import Field, JsonValue, computed_field

from hpc.errors import UserError
from hpc.heartbeat import Heartbeat, read_heartbeat
from hpc.lease import at_work
from hpc.ledger import UNFINISHED, Status, TaskState, folded_state, read_state, settle
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.submission import PlannedTask, RunPlan, read_plan

__all__ = ["Row", "RunStatus", "StageSummary", "StatusReader", "estimate", "read_status"]

Complete = Callable[[Mapping[str, TaskState]], dict[str, TaskState]]

NEW = TaskState()


class Row(Record):
    """How one task stands. Durations in seconds; `progress` from 0 to 1."""

    id: str
    stage: str
    status: Status
    attempt: int = 0
    cause: str | None = None
    tail: tuple[str, ...] = ()
    progress: float | None = None
    step: int | None = None
    total: int | None = None
    figures: dict[str, float | str] = Field(default_factory=dict)
    seconds: float | None = None
    eta: float | None = None
    host: str | None = None
    pid: int | None = None
    job: str | None = None
    batch: str | None = None  # that it was handed to a batch system in
    mem_gb: float | None = None  # asked for, on a node
    time_limit: float | None = None  # asked for
    peak_mb: float | None = None  # largest memory on a node so far, in 10^6 bytes

    @property
    def memory_share(self) -> float | None:
        """The part of the memory asked for that was used."""
        return _share(self.peak_mb, self.mem_gb and 1000 * self.mem_gb)

    @property
    def time_share(self) -> float | None:
        """The part of the time asked for that is used."""
        return _share(self.seconds, self.time_limit)


class StageSummary(Record):
    """The tasks of one stage, counted by status."""

    stage: str
    counts: dict[str, int]


class RunStatus(Record):
    """How a run stands at one moment; `at` in seconds since 1970."""

    run: str
    at: float
    submitter: str | None  # who is at work on the run right now; None where nobody holds its lock
    rows: tuple[Row, ...]
    submitted: float | None = None  # last time, in seconds since 1970
    changed: float | None = None  # when the last record was written
    trouble: str | None = None  # why a batch system could not be asked: all is as it was recorded

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[str, int]:
        """Number of tasks by status."""
        return _counted(self.rows)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def stages(self) -> tuple[StageSummary, ...]:
        """The stages in plan order."""
        names = dict.fromkeys(row.stage for row in self.rows)
        return tuple(
            StageSummary(stage=name, counts=_counted(r for r in self.rows if r.stage == name))
            for name in names
        )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def eta(self) -> float | None:
        """Seconds until all is over, at the pace so far; None while it cannot be said."""
        return estimate(self.rows)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def progress(self) -> float:
        """The part done, 0 to 1; every task counts the same."""
        return fmean(row.progress or 0.0 for row in self.rows) if self.rows else 1.0

    @property
    def is_over(self) -> bool:
        """Whether nothing is pending or running."""
        return not any(row.status in UNFINISHED for row in self.rows)

    @property
    def is_in_batch(self) -> bool:
        """Whether a batch system has some task that waits or runs."""
        return any(row.batch and row.status in UNFINISHED for row in self.rows)

    @property
    def stands_still(self) -> bool:
        """Whether something is left, and neither a submit nor a batch system has it.

        The next submit goes on with it.
        """
        runs = any(row.status == "running" for row in self.rows)
        return not (self.is_over or self.submitter or self.is_in_batch or runs)

    @property
    def is_done(self) -> bool:
        """Whether every task succeeded."""
        return all(row.status == "done" for row in self.rows)

    def to_json(self) -> str:
        """The whole of it as JSON, for programs."""
        return self.model_dump_json(indent=1)


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
        if not self._run.ledger_folder.is_dir():
            return  # no task has been tried, or somebody removed what became of them
        with os.scandir(self._run.ledger_folder) as entries:
            for entry in entries:
                task_id = wanted.get(entry.name)
                if task_id is None:
                    continue
                signature = _signature(entry.stat())
                known = self._states.get(task_id)
                if known is None or known[0] != signature:
                    self._states[task_id] = signature, folded_state(entry)

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


def estimate(rows: Sequence[Row]) -> float | None:
    """Seconds until all of the rows are over, at the pace so far. Pure.

    The work left, by the mean duration of each stage, shared by as many tasks as run now; None
    while some stage has work left and nothing to judge it by.
    """
    work = 0.0
    for stage in {row.stage for row in rows}:
        members = [row for row in rows if row.stage == stage]
        left = [row for row in members if row.status in UNFINISHED]
        mean = _mean_duration(members)
        if left and mean is None:
            return None
        work += sum(_left_of(row, mean or 0.0) for row in left)
    running = sum(row.status == "running" for row in rows)
    return work / max(running, 1)


def _mean_duration(rows: Iterable[Row]) -> float | None:
    """Of what is done; else of what runs and can tell how long it will take."""
    rows = tuple(rows)
    done = [row.seconds for row in rows if row.status == "done" and row.seconds is not None]
    told = [
        row.seconds + row.eta for row in rows if row.seconds is not None and row.eta is not None
    ]
    durations = done or told
    return fmean(durations) if durations else None


def _left_of(row: Row, mean: float) -> float:
    return row.eta if row.eta is not None else max(0.0, mean - (row.seconds or 0.0))


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
        return Row(**_planned(task), status="pending", attempt=state.attempt)
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


def _planned(task: PlannedTask) -> dict[str, Any]:
    """What a row says of a task before it is tried."""
    fields = {"id": task.id, "stage": task.stage}
    if task.resources is None:
        return fields
    limit = task.resources.time.total_seconds()
    return {**fields, "mem_gb": task.resources.mem_gb, "time_limit": limit}


def _known(task: PlannedTask, state: TaskState) -> dict[str, Any]:
    """What a row says of a task whatever became of it."""
    where = {"host": state.host, "pid": state.pid, "job": state.job, "batch": state.batch}
    return {**_planned(task), **where, "attempt": state.attempt}


def _on_a_node(task: PlannedTask, peak_mb: float | None) -> float | None:
    """Memory is asked for by node and measured by process; the processes of a node are alike."""
    alike = task.resources.tasks_per_node if task.resources else 1
    return None if peak_mb is None else peak_mb * alike


def _share(used: float | None, asked: float | None) -> float | None:
    return None if used is None or not asked else used / asked


def _counted(rows: Iterable[Row]) -> dict[str, int]:
    return dict(Counter(row.status for row in rows))


def _signature(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_mtime_ns, stat.st_size


def _no_such_run(run: RunPaths) -> UserError:
    others = ", ".join(run.others()) or "none"
    return UserError(
        f"no run named {run.name!r} has been submitted",
        where=str(run.root),
        mend=f"Runs in this folder: {others}",
    )
