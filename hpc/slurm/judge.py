"""What a task that SLURM has comes to by what is to be seen of its job. Pure: records come out.

What SLURM does not know stays as it is for a while: it is never taken for done, and never for a
reason to submit it again.
"""

from __future__ import annotations

import pwd
from dataclasses import dataclass

from hpc.ledger import CancelAsked, Ended, Entry, Queued, TaskState, fold
from hpc.resources import format_duration
from hpc.slurm.batches import Batch
from hpc.slurm.states import Report

__all__ = ["Sight", "judge"]

LOST_AFTER = 300.0  # seconds without a word from task and SLURM until a job counts as lost


@dataclass(frozen=True)
class Sight:
    """What is to be seen of one task's job, or of its batch where it has none.

    `final`: SLURM's word will not change any more; `quiet`: seconds since task or batch gave a sign
    of life; `void`: SLURM never took the batch; `lost`: nodes of the job that do not work.
    """

    job: str | None
    report: Report | None
    final: bool
    quiet: float
    batch: Batch
    void: bool = False
    lost: tuple[str, ...] = ()
    said: str = ""  # last, by a job whose worker never began


def judge(state: TaskState, sight: Sight) -> tuple[TaskState, tuple[Entry, ...]]:
    """What a live task comes to by what is to be seen of its job, and the records due. Pure."""
    report = sight.report
    if report is None:
        return _unseen(state, sight)
    match report.phase:
        case "waiting":
            return _waiting(state, report), ()
        case "over" if sight.final:
            entries = _end(state, report, sight)
            return fold(entries, state), entries
        case "over":
            return state._replace(cause=f"SLURM: {report.state}, to be confirmed"), ()
        case "unknown":
            return state._replace(cause=f"SLURM says {report.state!r}"), ()
    return state._replace(job=report.job), ()


def _unseen(state: TaskState, sight: Sight) -> tuple[TaskState, tuple[Entry, ...]]:
    """Neither squeue nor sacct knows the job."""
    entry: Entry
    if sight.void:
        cause = "handed to SLURM, which did not take it"
        entry = Queued(key=str(state.key), retry=state.retry, cause=cause)
    elif sight.job is None:
        return state._replace(cause="handed to SLURM, which has not confirmed it yet"), ()
    elif sight.quiet < LOST_AFTER:
        return state._replace(cause=f"SLURM knows nothing of job {sight.job} yet"), ()
    else:
        cause = f"SLURM knows nothing of its job {sight.job} any more"
        entry = Ended(attempt=state.attempt, outcome="killed", cause=cause)
    return fold([entry], state), (entry,)


def _waiting(state: TaskState, report: Report) -> TaskState:
    why = f" ({report.reason})" if report.reason else ""
    if state.status == "queued":
        return state._replace(job=report.job, cause=f"in the queue{why}")
    cause = state.cause if state.status == "requeued" else f"put back in the queue{why}"
    return state._replace(status="requeued", cause=cause, process=None)


def _end(state: TaskState, report: Report, sight: Sight) -> tuple[Entry, ...]:
    """The records that a job which is over owes to the ledger."""
    if report.state == "CANCELLED":
        asked = () if state.cancel else (CancelAsked(by=_canceller(report)),)
        return (*asked, Ended(attempt=state.attempt, outcome="killed", cause="cancelled"))
    if state.status == "requeued":  # it saved its state, but was not put back in the queue
        return (Queued(key=str(state.key), retry=state.fault, cause=state.cause),)
    return (_ended(state, report, sight),)


def _ended(state: TaskState, report: Report, sight: Sight) -> Ended:
    attempt, had = state.attempt, sight.batch.resources
    if report.out_of_memory or report.state == "OUT_OF_MEMORY":
        cause = f"out of memory: it had {had.mem_gb:g} GB{_on(report.nodes)}"
        peak = report.peak_mb
        return Ended(attempt=attempt, outcome="killed", fault="memory", cause=cause, peak_mb=peak)
    match report.state:
        case "TIMEOUT":
            cause = f"timed out after {format_duration(had.time)}"
            return Ended(attempt=attempt, outcome="timed_out", fault="time", cause=cause)
        case "NODE_FAIL" | "BOOT_FAIL":
            cause, lost = f"a node was lost: {report.nodes}", sight.lost
            return Ended(attempt=attempt, outcome="killed", fault="node", cause=cause, nodes=lost)
        case "PREEMPTED":
            cause = "pushed out by a more important job"
            return Ended(attempt=attempt, outcome="killed", fault="preemption", cause=cause)
    return _silent(state, report, sight.said)


def _silent(state: TaskState, report: Report, said: str) -> Ended:
    """A job that ended by itself and whose task has left no word."""
    words = (report.state, report.reason, f"exit code {report.exit_code or '?'}")
    how = f"{', '.join(filter(None, words))}{_on(report.nodes)}"
    if state.status == "queued":
        how += f": {said}" if said else ""
        cause = f"the worker did not begin: job {report.job} ended ({how})"
        if not report.nodes:
            cause += " before it got a node; does it ask for more than any has?"
        return Ended(attempt=state.attempt, outcome="failed", cause=cause)
    hint = ", perhaps for want of memory" if ":9" in report.exit_code else ""
    cause = f"job {report.job} ended ({how}) and left no record{hint}"
    return Ended(attempt=state.attempt, outcome="killed", cause=cause)


def _on(nodes: str) -> str:
    return f" on {nodes}" if nodes else ""


def _canceller(report: Report) -> str:
    if report.canceller is None:
        return "scancel"
    try:
        return f"{pwd.getpwuid(report.canceller).pw_name} (scancel)"
    except KeyError:
        return f"user {report.canceller} (scancel)"
