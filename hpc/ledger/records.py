"""What can happen to a task: the records of its ledger."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import Field

from hpc.process import Process
from hpc.record import Json, Record

__all__ = ["Blocked", "CancelAsked", "Ended", "Entry", "Fault", "Outcome", "Queued", "Started"]

Outcome = Literal["done", "failed", "timed_out", "killed", "requeued"]
Fault = Literal["memory", "time", "node", "preemption"]
"""What ended an attempt though its code did nothing wrong: too little memory or time, a lost node,
a more important job. It decides whether and how the task is tried again (`hpc.retry`)."""


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
