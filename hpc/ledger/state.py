"""What the records of a task come to. Pure, but for the question whether a process lives."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from hpc.ledger.records import Blocked, CancelAsked, Ended, Entry, Fault, Outcome, Queued, Started
from hpc.process import Process
from hpc.record import Json

__all__ = ["FAILED", "UNFINISHED", "Status", "TaskState", "fold", "settle"]

Status = Outcome | Literal["pending", "queued", "running", "cancelled", "blocked", "unknown"]
"""pending: to be started by us; queued: handed to a batch system, which will start it."""

UNFINISHED: frozenset[Status] = frozenset({"pending", "queued", "running", "requeued"})
"""From these a task goes on by itself, or with the next submit."""

FAILED: frozenset[Status] = frozenset({"failed", "timed_out", "killed", "cancelled", "unknown"})
"""It ended without a result, or nobody can tell. What is "blocked" waited for one of these."""


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
