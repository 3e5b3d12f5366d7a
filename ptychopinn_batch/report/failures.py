"""What did not succeed: why, what it printed last, and what to do about it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from hpc.ledger import Fault, read_state
from hpc.paths import RunPaths
from hpc.resources import format_duration
from hpc.status import Row
from ptychopinn_batch.report.words import without_secrets
from ptychopinn_batch.sections import section_of
from ptychopinn_batch.verdict.told import CHECK

__all__ = ["Failure", "failure_of"]
LAST_LINES = 20
LONGEST_LINE = 300  # characters
END = 2**16  # bytes of a log that are looked at


@dataclass(frozen=True)
class Failure:
    """A task that was tried and did not succeed."""

    task: str
    stage: str
    status: str
    cause: str
    advice: str
    lines: tuple[str, ...]
    attempt: int
    host: str | None
    job: str | None


def failure_of(run: RunPaths, row: Row) -> Failure:
    """All that a reader must know of a failed task."""
    return Failure(
        task=row.id,
        stage=row.stage,
        status=row.status.replace("_", " "),
        cause=without_secrets(row.cause or "it is not known why"),
        advice=_advice(run.name, row, read_state(run, row.id).fault),
        lines=tuple(without_secrets(line)[:LONGEST_LINE] for line in _end(run, row)),
        attempt=row.attempt,
        host=row.host,
        job=row.job,
    )


def _end(run: RunPaths, row: Row) -> tuple[str, ...]:
    """The last lines of its log; without one, those of its traceback."""
    try:
        with run.log(row.id).open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - END))
            text = log.read().decode(errors="replace")
    except OSError:
        return row.tail
    return tuple(deque(text.splitlines(), LAST_LINES))


def _advice(run: str, row: Row, fault: Fault | None) -> str:
    """What to do, in sentences that hold commands between backquotes."""
    again = f"`ptychopinn-batch resubmit {run}`"
    section = section_of(row.stage)
    match fault:
        case "memory":
            asked = f" (it had {row.mem_gb:g} GB)" if row.mem_gb else ""
            return f"Raise `resources.{section}.mem_gb`{asked} in the spec and submit it again."
        case "time":
            asked = f" (it had {_time(row.time_limit)})" if row.time_limit else ""
            return f"Raise `resources.{section}.time`{asked} in the spec and submit it again."
        case "node" | "preemption":
            return f"It was not the task's fault: run it again with {again}."
    if row.stage == CHECK and row.status == "failed":
        return "Mend the spec as the cause says, and submit it again."
    match row.status:
        case "cancelled":
            return f"Nothing is wrong with it. To have it done after all: {again}."
        case "unknown":
            return f"See `ptychopinn-batch status {run}`; move a damaged ledger away to begin anew."
        case "killed":
            return f"Run it again with {again}; if it is killed once more, ask for more memory."
    logs = f"`ptychopinn-batch logs {run} {row.id}`"
    return f"Mend what the cause names (the whole log: {logs}), then {again}."


def _time(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))
