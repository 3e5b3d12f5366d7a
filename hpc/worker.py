"""The process that runs one task and keeps the ledger true about it.

Started as `python -m hpc.worker --runs DIR --run NAME --task ID`. It records its start before the
entry point is called and its end when the entry point is over; if it is killed in between, the
record of its start with pid and start time tells everyone so. A lock per task keeps a second
worker out, whoever started it.

A task of several ranks has a worker for each. The first one keeps the ledger; the others call the
entry point too, and speak up only when they fail.
"""

from __future__ import annotations

import argparse
import enum
import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue, ValidationError

from hpc.causes import as_fault, cause_of, is_disk_full, last_lines, plain
from hpc.context import Requeue, TaskContext
from hpc.errors import LockedError, UserError
from hpc.fsio import read_json
from hpc.launch import Followers
from hpc.lease import Lease
from hpc.ledger import Ended, Fault, Started, append, fold, read_entries
from hpc.memory import peak_mb
from hpc.paths import RunPaths
from hpc.process import Process, this_host
from hpc.ranks import Ranks
from hpc.record import Record, explain
from hpc.stopwish import StopWish
from hpc.task import Task

__all__ = [
    "DEADLINE",
    "Exit",
    "Requeue",
    "TaskContext",
    "follow_task",
    "log_to",
    "main",
    "reporting",
    "run_task",
]

EntryPoint = Callable[[TaskContext], dict[str, JsonValue] | None]
FaultOf = Callable[[Task, float], Fault | None]
"""What a wish to stop is due to, by the task and the seconds since it began."""

# Seconds: what a killed worker had forked may hold its lock a moment longer than it lived.
LOCK_WAIT = 10.0
FIRST_RANK_WAIT = 10.0  # seconds in which the first rank begins, where another fails at once
SLACK = 1.0  # seconds by which the time limit may seem not to be up yet when it is

DEADLINE = "HPC_DEADLINE"
"""Variable that tells a worker when it will be asked to stop, in seconds since 1970."""


class Exit(enum.IntEnum):
    """How a worker process ends; the ledger says more."""

    DONE = 0
    FAILED = 1
    NOT_STARTED = 64  # nothing was recorded: the task could not be read
    DISK_FULL = 74  # not even the record of the failure could be written
    REQUEUED = 75
    BUSY = 76  # another worker has the task


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the task named on the command line; the exit status is one of `Exit`."""
    parser = argparse.ArgumentParser(prog="python -m hpc.worker", description="Run one task.")
    parser.add_argument("--runs", required=True, type=Path, help="folder of all runs")
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--task", required=True, help="id of the task")
    options = parser.parse_args(arguments)
    run = RunPaths(options.runs, options.run)
    stop = StopWish(run.ledger(options.task))
    stop.listen()
    log_to(run.log(options.task))
    return reporting(lambda: _run_here(run, options.task, stop, Ranks.of(os.environ)))


def reporting(work: Callable[[], int]) -> int:
    """What the work comes to; what keeps it from its records goes to the log and the status."""
    try:
        return work()
    except UserError as error:
        print(error, file=sys.stderr)
        return Exit.BUSY if isinstance(error, LockedError) else Exit.NOT_STARTED
    except OSError as error:
        if not is_disk_full(error):
            raise
        print(cause_of(error), file=sys.stderr)
        return Exit.DISK_FULL


def run_task(
    run: RunPaths,
    task_id: str,
    *,
    stop: Callable[[], bool] = lambda: False,
    fault_of: FaultOf = lambda task, seconds: None,
) -> Exit:
    """Run one attempt at a task in this process and record its start and its end.

    Raises LockedError when another worker has the task, StateError when its file or ledger is
    damaged.
    """
    ledger = run.ledger(task_id)
    with Lease(run.task_lock(task_id), f"{task_id} is run", wait=LOCK_WAIT):
        task = read_json(run.task(task_id), Task)
        if fold(read_entries(ledger)).done_key == task.key:
            return Exit.DONE  # by another worker, while this one waited for the lock
        start = _record_start(ledger, task)
        print(f"=== {task_id}, attempt {start.attempt}, {_now()}, {start.process}", flush=True)
        if fold(read_entries(ledger)).cancel:
            end = Ended(attempt=start.attempt, outcome="killed", cause="cancelled before it began")
        else:
            end = _attempt(TaskContext(run, task, start.attempt, stop=stop), fault_of)
        was_cancelled = end.outcome != "done" and fold(read_entries(ledger)).cancel
        word = "cancelled" if was_cancelled else end.outcome
        print(f"=== {word} after {end.at - start.at:.1f} s", flush=True)
        append(ledger, end.model_copy(update={"peak_mb": peak_mb()}))
    return {"done": Exit.DONE, "requeued": Exit.REQUEUED}.get(end.outcome, Exit.FAILED)


def follow_task(
    run: RunPaths, task_id: str, ranks: Ranks, *, stop: Callable[[], bool] = lambda: False
) -> Exit:
    """Do the part of one rank but the first; a failure is recorded in the first one's place."""
    print(f"=== {task_id}, rank {ranks.rank} of {ranks.size}, {Process.current()}", flush=True)
    context = TaskContext(run, read_json(run.task(task_id), Task), stop=stop, silent=True)
    end = _attempt(context, lambda task, seconds: None)
    if end.outcome != "failed":
        return Exit.DONE
    _speak_up(run.ledger(task_id), end, f"rank {ranks.rank} on {this_host()}")
    return Exit.FAILED


def _run_here(run: RunPaths, task_id: str, stop: StopWish, ranks: Ranks) -> int:
    """All ranks on this machine: this process is the first, or was started by it."""
    if ranks.rank > 0:
        return follow_task(run, task_id, ranks, stop=stop)
    resources = read_json(run.task(task_id), Task).resources
    with Followers.of(resources, sys.argv[1:]):
        return run_task(run, task_id, stop=stop, fault_of=_time_is_up)


def _time_is_up(task: Task, seconds: float) -> Fault | None:
    """By the clock of who started this process, which ran before the task began."""
    deadline = float(os.environ.get(DEADLINE, "inf"))
    return "time" if time.time() >= deadline - SLACK else None


def _record_start(ledger: Path, task: Task) -> Started:
    attempt = fold(read_entries(ledger)).attempt + 1
    start = Started(
        attempt=attempt, key=task.key, process=Process.current(), job=_batch_job(os.environ)
    )
    append(ledger, start)
    return start


def _attempt(context: TaskContext, fault_of: FaultOf) -> Ended:
    """Call the entry point; whatever comes of it is a record."""
    number, began = context.attempt, time.monotonic()
    try:
        return _done(number, _load(context.task.entry)(context))
    except Requeue as wish:
        return _stopped(number, wish, fault_of(context.task, time.monotonic() - began))
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: they end the task
        return _failed(number, error)
    finally:
        context.close()


class _Returned(Record):
    """What an entry point gives back. Ledgers trust their own results to be JSON."""

    result: dict[str, JsonValue] | None


def _done(attempt: int, result: object) -> Ended:
    try:
        returned = _Returned.model_validate({"result": result})
    except ValidationError as error:
        raise TypeError(f"the entry point returned what is not JSON: {explain(error)}") from None
    return Ended(attempt=attempt, outcome="done", result=returned.result)


def _stopped(attempt: int, wish: Requeue, fault: Fault | None) -> Ended:
    """Asked to stop. Without progress, the same time again would lead as far as this one did."""
    cause = plain(str(wish)) or None
    if fault == "time" and not wish.kept:
        return Ended(attempt=attempt, outcome="timed_out", fault=fault, cause=cause)
    return Ended(attempt=attempt, outcome="requeued", fault=fault, cause=cause)


def _failed(attempt: int, error: BaseException) -> Ended:
    cause = cause_of(error)
    if isinstance(error, UserError):
        print(cause, file=sys.stderr)
        return Ended(attempt=attempt, outcome="failed", cause=cause, error=type(error).__name__)
    traceback.print_exception(error)
    return Ended(
        attempt=attempt,
        outcome="failed",
        cause=cause,
        error=type(error).__name__,
        tail=last_lines(error),
        fault=as_fault(error),
    )


def _speak_up(ledger: Path, end: Ended, who: str) -> None:
    """Record a failure for the attempt that the first rank has begun, or is about to."""
    deadline = time.monotonic() + FIRST_RANK_WAIT
    while (state := fold(read_entries(ledger))).status != "running":
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)
    cause = f"{who}: {end.cause}"
    append(ledger, end.model_copy(update={"attempt": state.attempt, "cause": cause}))


def _load(entry: str) -> EntryPoint:
    module, _, name = entry.partition(":")
    return cast(EntryPoint, getattr(importlib.import_module(module), name))


def log_to(log: Path) -> None:
    """Send what this process and its children print to the task's log, line by line."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
        cast(Any, stream).reconfigure(line_buffering=True)
    os.close(descriptor)


def _batch_job(environment: Mapping[str, str]) -> str | None:
    """The id of the batch job this process belongs to, as SLURM's commands take it."""
    array = environment.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{environment.get('SLURM_ARRAY_TASK_ID', '0')}"
    return environment.get("SLURM_JOB_ID")


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


if __name__ == "__main__":
    sys.exit(main())
