"""The truth about every task: append-only records, one file per task, folded into a state.

A record is written and synced before anyone acts on it. A torn last line is normal input: its
writer was killed before the record counted. A line damaged in any other way is an error that names
it, for a guess could repeat work or hide a loss.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from hpc.errors import StateError
from hpc.fsio import append_line, numbered_lines, whole_lines
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.record import Json, Record, explain

__all__ = [
    "UNFINISHED",
    "Blocked",
    "CancelAsked",
    "Ended",
    "Entry",
    "Fault",
    "Outcome",
    "Queued",
    "Started",
    "Status",
    "TaskState",
    "append",
    "fold",
    "folded_state",
    "read_entries",
    "read_state",
    "read_states",
    "settle",
]

Outcome = Literal["done", "failed", "timed_out", "killed", "requeued"]
Fault = Literal["memory", "time", "node", "preemption"]
"""What ended an attempt though its code did nothing wrong: too little memory or time, a lost node,
a more important job. It decides whether and how the task is tried again (`hpc.retry`)."""

Status = Outcome | Literal["pending", "queued", "running", "cancelled", "blocked", "unknown"]
"""pending: to be started by us; queued: handed to a batch system, which will start it."""

UNFINISHED: frozenset[Status] = frozenset({"pending", "queued", "running", "requeued"})
"""From these a task goes on by itself, or with the next submit."""


class _Entry(Record):
    at: float = Field(default_factory=time.time)  # seconds since 1970


class Queued(_Entry):
    """Put in the queue again, or handed to a batch system in `batch`; older wishes are void.

    Under the very key that is done it says that the results are gone: it is done no more. `retry`
    is the fault that is being made good for, None where a user asked; `batch` fences: a job of any
    other batch does not start the task.
    """

    event: Literal["queued"] = "queued"
    key: str
    batch: str | None = None
    retry: Fault | None = None
    cause: str | None = None  # of the retry, in words


class Started(_Entry):
    """A process took the task up."""

    event: Literal["started"] = "started"
    attempt: int
    key: str
    process: Process
    job: str | None = None


class Ended(_Entry):
    """An attempt is over, as the worker saw it or as the one who watched the worker did."""

    event: Literal["ended"] = "ended"
    attempt: int
    outcome: Outcome
    cause: str | None = None
    error: str | None = None  # type of the exception
    tail: tuple[str, ...] = ()  # last lines of the traceback; the whole of it is in the log
    result: dict[str, Json] | None = None
    fault: Fault | None = None
    nodes: tuple[str, ...] = ()  # that are to blame for a fault
    peak_mb: float | None = None  # largest resident memory of the process, in 10^6 bytes


class CancelAsked(_Entry):
    """Somebody wants the task not to run, or to stop."""

    event: Literal["cancel"] = "cancel"
    by: str


class Blocked(_Entry):
    """The task will not be started: something that it needs did not succeed."""

    event: Literal["blocked"] = "blocked"
    cause: str


Entry = Queued | Started | Ended | CancelAsked | Blocked

_entry: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="event")])
_entries: TypeAdapter[list[Entry]] = TypeAdapter(
    list[Annotated[Entry, Field(discriminator="event")]]
)


class TaskState(NamedTuple):
    """What the records of one task come to. A named tuple, for thousands are made at once."""

    status: Status = "pending"
    key: str | None = None  # of the last attempt, or of the place in the queue
    done_key: str | None = None  # of the results in place: "same key and done" is skipped
    attempt: int = 0
    cause: str | None = None
    error: str | None = None
    tail: tuple[str, ...] = ()
    result: dict[str, Json] | None = None
    process: Process | None = None
    job: str | None = None  # of a batch system, as its commands take it
    batch: str | None = None
    fault: Fault | None = None
    peak_mb: float | None = None
    queued: float | None = None  # seconds since 1970, as are the next two
    started: float | None = None
    ended: float | None = None
    cancel: str | None = None  # who wants a running task to stop
    retry: Fault | None = None  # that is made good for, once it starts

    @property
    def host(self) -> str | None:
        return self.process.host if self.process else None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def seconds(self) -> float | None:
        """How long the last attempt took; None while it runs."""
        if self.started is None or self.ended is None:
            return None
        return max(0.0, self.ended - self.started)


def fold(entries: Iterable[Entry], start: TaskState | None = None) -> TaskState:
    """The state that records come to, in the order they were written, from `start` on. Pure."""
    known = dict(_NEW) if start is None else start._asdict()
    for entry in entries:
        known.update(_change(known, entry))
    return TaskState(**known)


# While folding, a state is a dictionary of its fields: thousands of them are made for one status.
_Fields = dict[str, Any]

_NEW: _Fields = TaskState()._asdict()

_FRESH: _Fields = {
    "status": "pending",
    "cause": None,
    "error": None,
    "tail": (),
    "process": None,
    "job": None,
    "batch": None,
    "fault": None,
    "peak_mb": None,
    "started": None,
    "ended": None,
    "cancel": None,
    "retry": None,
}


def _change(known: _Fields, entry: Entry) -> _Fields:
    """The fields that a record changes."""
    match entry:
        case Queued():
            return _queue(known, entry)
        case Started():
            return _start(known, entry)
        case Ended():
            return _end(known, entry)
        case CancelAsked():
            return _cancel(known, entry)
        case Blocked():
            return {**_FRESH, "status": "blocked", "cause": entry.cause, "ended": entry.at}


def _queue(known: _Fields, entry: Queued) -> _Fields:
    lost = {"done_key": None, "result": None} if entry.key == known["done_key"] else {}
    status = "queued" if entry.batch else "pending"
    told = {"key": entry.key, "batch": entry.batch, "cause": entry.cause, "queued": entry.at}
    return {**_FRESH, **lost, **told, "status": status, "retry": entry.retry}


def _start(known: _Fields, entry: Started) -> _Fields:
    """A new attempt. A wish to cancel from before it still holds: only a new queueing ends it."""
    return {
        **_FRESH,
        "status": "running",
        "attempt": entry.attempt,
        "key": entry.key,
        "done_key": None,  # from here on the old results may be overwritten
        "result": None,
        "process": entry.process,
        "job": entry.job,
        "batch": known["batch"],
        "started": entry.at,
        "cancel": known["cancel"],
    }


def _end(known: _Fields, entry: Ended) -> _Fields:
    if entry.attempt != known["attempt"] or known["status"] == "done":
        return {}  # a late word on an attempt that was given up, or that had succeeded after all
    if entry.outcome == "done":
        return {
            **{"status": "done", "done_key": known["key"], "result": entry.result},
            **{"cancel": None, "cause": None, "error": None, "tail": (), "fault": None},
            **{"ended": entry.at, "peak_mb": entry.peak_mb},
        }
    if known["status"] in ("failed", "timed_out", "killed", "cancelled"):
        return {}  # the first word on a failure is nearest to its cause
    if known["cancel"]:
        return {"status": "cancelled", "cause": known["cancel"], "ended": entry.at}
    return {
        **{"status": entry.outcome, "ended": entry.at, "peak_mb": entry.peak_mb},
        **{"cause": entry.cause, "error": entry.error, "tail": entry.tail, "fault": entry.fault},
    }


def _cancel(known: _Fields, entry: CancelAsked) -> _Fields:
    by = f"by {entry.by}"
    if known["status"] == "running":
        return {"cancel": by}
    if known["status"] in ("pending", "queued", "requeued"):
        return {"status": "cancelled", "cancel": by, "cause": by, "ended": entry.at}
    return {}  # it is over


def settle(state: TaskState) -> TaskState:
    """What a state comes to when the machine is asked whether the process of a running task lives.

    On another host this cannot be known: the task counts as running until it is cancelled. Of a
    batch job the batch system knows more than we.
    """
    if state.status != "running" or state.process is None or state.batch is not None:
        return state
    alive = state.process.is_alive()
    if alive or (alive is None and not state.cancel):
        return state
    if state.cancel:
        return state._replace(status="cancelled", cause=state.cancel)
    cause = f"its process ({state.process}) is gone"
    return state._replace(status="killed", cause=cause)


def append(path: Path, entry: Entry) -> None:
    """Write one record and sync it."""
    append_line(path, entry.model_dump_json(exclude_none=True))


def read_entries(path: os.PathLike[str]) -> list[Entry]:
    """The records of one task, none where there is no file.

    Raises StateError naming file and line where a whole line is no record.
    """
    try:
        lines = whole_lines(path)
    except FileNotFoundError:
        return []
    try:
        return _entries.validate_json(b"[" + b",".join(lines) + b"]")
    except ValidationError:
        return _one_by_one(path)


def _one_by_one(path: os.PathLike[str]) -> list[Entry]:
    entries: list[Entry] = []
    for number, line in numbered_lines(path):
        try:
            entries.append(_entry.validate_json(line))
        except ValidationError as error:
            raise StateError(
                f"this record is damaged ({explain(error)})",
                where=f"{os.fspath(path)}:{number}",
                mend="Look at the line; move the file away to have the task run again",
            ) from None
    return entries


def folded_state(path: os.PathLike[str]) -> TaskState:
    """What the records in a file come to, "unknown" where they are damaged; not settled."""
    try:
        return fold(read_entries(path))
    except StateError as error:
        return TaskState(status="unknown", cause=str(error))


def read_state(run: RunPaths, task_id: str) -> TaskState:
    """The settled state of one task; "unknown", with the reason, where its ledger is damaged."""
    path = run.ledger(task_id)
    state = folded_state(path)
    if settle(state) is state:
        return state
    # Its process is gone, but it may have written its end since we read: nobody writes now.
    return settle(folded_state(path))


def read_states(run: RunPaths, task_ids: Iterable[str]) -> dict[str, TaskState]:
    """The settled state of each of these tasks."""
    written = _names_in(run.ledger_folder)  # asking for ten thousand missing files takes a while
    return {
        task_id: read_state(run, task_id) if run.ledger_name(task_id) in written else TaskState()
        for task_id in task_ids
    }


def _names_in(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
