"""The process that runs one task and keeps the ledger true about it.

Started as `python -m hpc.worker --runs DIR --run NAME --task ID`. It records its start before the
entry point is called and its end when the entry point is over; if it is killed in between, the
record of its start with pid and start time tells everyone so. A lock per task keeps a second
worker out, whoever started it.
"""

from __future__ import annotations

import argparse
import enum
import importlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, cast

from pydantic import JsonValue, ValidationError

from hpc.causes import cause_of, is_disk_full, last_lines, plain
from hpc.context import Requeue, TaskContext
from hpc.errors import LockedError, UserError
from hpc.fsio import read_json
from hpc.lease import Lease
from hpc.ledger import Ended, Started, append, fold, read_entries
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.record import explain
from hpc.task import Task

__all__ = ["Exit", "Requeue", "StopWish", "TaskContext", "main", "run_task"]

EntryPoint = Callable[[TaskContext], dict[str, JsonValue] | None]

# Seconds: what a killed worker had forked may hold its lock a moment longer than it lived.
LOCK_WAIT = 10.0

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2)


class Exit(enum.IntEnum):
    """How a worker process ends; the ledger says more."""

    DONE = 0
    FAILED = 1
    NOT_STARTED = 64  # nothing was recorded: the task could not be read
    DISK_FULL = 74  # not even the record of the failure could be written
    REQUEUED = 75
    BUSY = 76  # another worker has the task


class StopWish:
    """Whether the task was asked to end: by a signal, or by a cancel record in its ledger.

    The record is the way from another host, where no signal reaches.
    """

    LOOK_EVERY = 1.0  # seconds between two looks at the ledger's size

    def __init__(self, ledger: Path) -> None:
        self.asked = False
        self._ledger = ledger
        self._size = -1
        self._looked = -self.LOOK_EVERY

    def listen(self) -> None:
        """Take the stop signals from now on, in this process and not in those it forks."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # held back by who started us
        # A data-loading process that ignores SIGTERM could not be ended by its parent.
        os.register_at_fork(after_in_child=_restore_signals)

    def __call__(self) -> bool:
        if not self.asked and time.monotonic() - self._looked >= self.LOOK_EVERY:
            self._looked = time.monotonic()
            self._look()
        return self.asked

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def _look(self) -> None:
        size = self._ledger.stat().st_size
        if size != self._size:
            self._size = size
            self.asked = self.asked or fold(read_entries(self._ledger)).cancel is not None


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
    _write_to(run.log(options.task))
    try:
        return run_task(run, options.task, stop=stop)
    except UserError as error:
        print(error, file=sys.stderr)
        return Exit.BUSY if isinstance(error, LockedError) else Exit.NOT_STARTED
    except OSError as error:
        if not is_disk_full(error):
            raise
        print(cause_of(error), file=sys.stderr)
        return Exit.DISK_FULL


def run_task(run: RunPaths, task_id: str, *, stop: Callable[[], bool] = lambda: False) -> Exit:
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
            end = _attempt(TaskContext(run, task, start.attempt, stop=stop))
        print(f"=== {end.outcome} after {end.at - start.at:.1f} s", flush=True)
        append(ledger, end)
    return {"done": Exit.DONE, "requeued": Exit.REQUEUED}.get(end.outcome, Exit.FAILED)


def _record_start(ledger: Path, task: Task) -> Started:
    attempt = fold(read_entries(ledger)).attempt + 1
    start = Started(
        attempt=attempt, key=task.key, process=Process.current(), job=_batch_job(os.environ)
    )
    append(ledger, start)
    return start


def _attempt(context: TaskContext) -> Ended:
    """Call the entry point; whatever comes of it is a record."""
    number = context.attempt
    try:
        return _done(number, _load(context.task.entry)(context))
    except Requeue as wish:
        return Ended(attempt=number, outcome="requeued", cause=plain(str(wish)) or None)
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: they end the task
        return _failed(number, error)
    finally:
        context.close()


def _done(attempt: int, result: dict[str, JsonValue] | None) -> Ended:
    try:
        return Ended(attempt=attempt, outcome="done", result=result)
    except ValidationError as error:
        raise TypeError(f"the entry point returned what is not JSON: {explain(error)}") from None


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
    )


def _load(entry: str) -> EntryPoint:
    module, _, name = entry.partition(":")
    return cast(EntryPoint, getattr(importlib.import_module(module), name))


def _write_to(log: Path) -> None:
    """Send what this process and its children print to the task's log, line by line."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
        cast(Any, stream).reconfigure(line_buffering=True)
    os.close(descriptor)


def _restore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)


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
