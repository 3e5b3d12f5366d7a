"""Cancelling from any process: a record in the ledger, a signal to the worker.

The record is what counts. An executor reads it before it starts a task, a worker after it has
recorded its own start: so the wish is met whoever comes first.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable

from hpc.lease import current_user
from hpc.ledger import UNFINISHED, CancelAsked, append, read_state
from hpc.paths import RunPaths
from hpc.process import Process, kill_group, this_host
from hpc.slurm.cancel import withdraw

__all__ = ["cancel_tasks", "requester"]

INTERVAL = 0.05  # seconds between two looks whether a worker has ended


def requester() -> str:
    """Who asks, as it is recorded."""
    return f"{current_user()}@{this_host()}"


def cancel_tasks(run: RunPaths, task_ids: Iterable[str], *, grace: float = 30.0) -> tuple[str, ...]:
    """Cancel those of the tasks that are not over, and return their names.

    Waits until the workers on this host have ended; those that have not within `grace` seconds are
    killed. A worker on another host sees the record at its next boundary; what SLURM has is taken
    back from it. Raises SlurmError where that fails; the wishes are recorded all the same.
    """
    run.create()
    cancelled: list[str] = []
    workers: list[Process] = []
    for task_id in task_ids:
        if read_state(run, task_id).status not in UNFINISHED:
            continue
        append(run.ledger(task_id), CancelAsked(by=requester()))
        cancelled.append(task_id)
        state = read_state(run, task_id)  # again: it may have started just now
        if state.process is not None and state.batch is None:
            state.process.send(signal.SIGTERM)
            workers.append(state.process)
    withdraw(run, cancelled)
    _await_end(workers, grace)
    return tuple(cancelled)


def _await_end(workers: Iterable[Process], grace: float) -> None:
    deadline = time.monotonic() + grace
    left = [worker for worker in workers if worker.is_alive()]
    while left and time.monotonic() < deadline:
        time.sleep(INTERVAL)
        left = [worker for worker in left if worker.is_alive()]
    for worker in left:
        if worker.is_alive():
            kill_group(worker.group or worker.pid)  # in a container, another leads its group
