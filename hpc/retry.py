"""Whether a task that ended by a fault is tried again, and with what. Pure: records in, advice out.

    memory       more of it, times `memory_factor`
    time         the same where progress was kept, else times `time_factor`
    node         the same, on other nodes
    preemption   the same

What has no fault, an error in the code above all, is never tried again by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple, Protocol, TypeVar

from pydantic import Field

from hpc.ledger import Ended, Entry, Fault, Queued, Started, TaskState, fold
from hpc.record import Record
from hpc.resources import Resources, format_duration

__all__ = ["Advice", "Ceiling", "RetryPolicy", "advise", "needed_resources", "shunned_nodes"]

T = TypeVar("T", float, timedelta)
Kind = Fault | Literal["resume"]


class RetryPolicy(Record):
    """How often a task is tried again by itself, by what ended it."""

    memory: int = Field(2, ge=0, le=100, description="retries after too little memory")
    time: int = Field(2, ge=0, le=100, description="retries after a time limit, begun anew")
    resume: int = Field(
        100, ge=0, le=10000, description="continuations from a checkpoint after a time limit"
    )
    node: int = Field(3, ge=0, le=100, description="retries after the loss of a node")
    preemption: int = Field(100, ge=0, le=10000, description="retries after preemption")
    memory_factor: float = Field(
        2.0, ge=1, le=16, description="what memory is multiplied by, each time it was too little"
    )
    time_factor: float = Field(
        2.0,
        ge=1,
        le=16,
        description="what the time limit is multiplied by, each time no progress was kept",
    )

    def cap(self, kind: Kind) -> int:
        """Retries of this kind."""
        caps: dict[Kind, int] = {
            "memory": self.memory,
            "time": self.time,
            "resume": self.resume,
            "node": self.node,
            "preemption": self.preemption,
        }
        return caps[kind]


class Ceiling(Protocol):
    """What a place allows at most; None where nothing is known."""

    @property
    def time(self) -> timedelta | None: ...
    @property
    def mem_gb(self) -> float | None: ...


class Advice(NamedTuple):
    """What to do about a fault: try again or not, and why in words."""

    again: bool
    cause: str


def advise(
    entries: Sequence[Entry],
    asked: Resources,
    policy: RetryPolicy,
    ceiling: Ceiling | None = None,
) -> Advice | None:
    """About the last end of a task, by all its records; None where no fault was recorded."""
    entries = _heard(entries)
    end = next((entry for entry in reversed(entries) if isinstance(entry, Ended)), None)
    if end is None or end.fault is None:
        return None
    kind: Kind = "resume" if _keeps_progress(end) else end.fault
    tries, cap = _tries(entries, kind), policy.cap(kind)
    if tries > cap:
        return Advice(False, f"given up after {_retries(cap)}: {end.cause or end.fault}")
    now = needed_resources(entries, asked, policy, ceiling)
    if end.fault == "memory" and now.mem_gb <= _before(entries, asked, policy, ceiling).mem_gb:
        had = f"no more than {now.mem_gb:g} GB is to be had"
        return Advice(False, f"given up, {had}: {end.cause or end.fault}")
    return Advice(True, f"retry {tries} of {cap} ({_told(end, now)})")


def needed_resources(
    entries: Iterable[Entry], asked: Resources, policy: RetryPolicy, ceiling: Ceiling | None = None
) -> Resources:
    """What the next attempt should have, by what earlier ones with the same key came to."""
    ends = _ends_of_last_key(_heard(entries))
    memory = policy.memory_factor ** sum(end.fault == "memory" for end in ends)
    time = policy.time_factor ** sum(
        end.fault == "time" and end.outcome == "timed_out" for end in ends
    )
    return asked.model_copy(
        update={
            "mem_gb": _at_most(
                asked.mem_gb * memory, asked.mem_gb, ceiling.mem_gb if ceiling else None
            ),
            "time": _at_most(asked.time * time, asked.time, ceiling.time if ceiling else None),
        }
    )


def shunned_nodes(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The nodes that were lost under the task, to be excluded from now on."""
    ends = _ends_of_last_key(_heard(entries))
    lost = (end.nodes for end in ends if end.fault == "node")
    return tuple(sorted({node for nodes in lost for node in nodes}))


def _heard(entries: Iterable[Entry]) -> list[Entry]:
    """The records without late words on an attempt: of several ranks each may tell of its end."""
    state, heard = TaskState(), []
    for entry in entries:
        before, state = state, fold([entry], state)
        if not isinstance(entry, Ended) or state != before:
            heard.append(entry)
    return heard


def _retries(count: int) -> str:
    return f"{count} retry" if count == 1 else f"{count or 'no'} retries"


def _keeps_progress(end: Ended) -> bool:
    """Whether an attempt that ran out of time goes on where it was."""
    return end.fault == "time" and end.outcome == "requeued"


def _told(end: Ended, now: Resources) -> str:
    match end.fault:
        case "memory":
            return f"out of memory: now {now.mem_gb:g} GB"
        case "time" if end.outcome == "timed_out":
            return f"out of time: now {format_duration(now.time)}"
        case "time":
            return "out of time: goes on from its checkpoint"
        case "node":
            return f"without {', '.join(end.nodes)}" if end.nodes else "node lost"
    return "preempted: as it was"


def _tries(entries: Iterable[Entry], kind: Kind) -> int:
    """How often an end of this kind was met since a user last asked for the task."""
    count = 0
    for entry in entries:
        if isinstance(entry, Queued) and entry.retry is None:
            count = 0
        elif isinstance(entry, Ended) and kind == (
            "resume" if _keeps_progress(entry) else entry.fault
        ):
            count += 1
    return count


def _before(
    entries: Sequence[Entry], asked: Resources, policy: RetryPolicy, ceiling: Ceiling | None
) -> Resources:
    """What the attempt had that ended last."""
    last = max(i for i, entry in enumerate(entries) if isinstance(entry, Ended))
    return needed_resources(entries[:last], asked, policy, ceiling)


def _ends_of_last_key(entries: Iterable[Entry]) -> list[Ended]:
    """The ends of attempts with the key that was asked for last."""
    key: str | None = None
    ends: list[Ended] = []
    for entry in entries:
        match entry:
            case Queued() | Started() if entry.key != key:
                key, ends = entry.key, []
            case Ended():
                ends.append(entry)
    return ends


def _at_most(wanted: T, asked: T, limit: T | None) -> T:
    """No more than the limit, but never less than what was asked for."""
    return wanted if limit is None else max(asked, min(wanted, limit))
