"""One worker process under watch: is it gone, is its time up, how does one end it.

A worker is either a child of this process, or was adopted: started by a submit that died since.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from hpc.executors.room import visible_gpus
from hpc.ledger import Ended, Outcome, TaskState, read_state
from hpc.paths import RunPaths
from hpc.process import Process, kill_group
from hpc.resources import format_duration
from hpc.stopwish import STOP_SIGNALS
from hpc.task import Task
from hpc.worker import Exit

__all__ = ["Adopted", "Child", "Watched", "end_of"]

# Seconds between two looks at the ledger of a worker on another host.
REMOTE_INTERVAL = 2.0

CONTAINED = 128  # a container ends with the signal of its process and so much more, as a shell does


class Watched(ABC):
    """A worker and the clock against it; times are monotonic seconds."""

    def __init__(
        self, task: Task, key: str | None, pid: int, started: float, gpus: Sequence[str]
    ) -> None:
        self.task = task
        self.key = key  # of the settings it runs with: an adopted one may have older ones
        self.pid = pid
        self.gpus = tuple(gpus)
        self.timed_out = False
        self.ledger_size = 0  # as last looked at
        self._deadline = started + task.resources.time.total_seconds()
        self._kill_at = math.inf
        self._asked = False

    def is_one_of(self, state: TaskState) -> bool:
        """Whether the records are of this worker: of its process, or of one of its group.

        In a container, what was started is what holds the container, and the worker its child.
        """
        return self.pid in (state.pid, state.process and state.process.group)

    def enforce(self, now: float, grace: float) -> None:
        """End the worker when its time is up, and harder when it takes no notice."""
        if now >= self._deadline and not self._asked:
            self.timed_out = True
            self.ask_to_stop(now, grace)
        if now >= self._kill_at:
            self.kill()

    def ask_to_stop(self, now: float, grace: float) -> None:
        """Ask once with SIGTERM; `enforce` kills after the grace time."""
        if not self._asked:
            self._asked = True
            self._kill_at = now + grace
            self.signal(signal.SIGTERM)

    @abstractmethod
    def is_gone(self) -> bool:
        """Whether the process has ended."""

    @abstractmethod
    def signal(self, number: signal.Signals) -> None:
        """Signal the worker itself: what it has started is its own to end."""

    @abstractmethod
    def kill(self) -> None:
        """End the worker and all that it has started, now."""

    @abstractmethod
    def reap(self) -> int | None:
        """Leave nothing of an ended worker; its exit status where it is known."""


class Child(Watched):
    """A worker that this process started, the leader of a process group of its own."""

    def __init__(
        self, task: Task, process: subprocess.Popen[bytes], gpus: Sequence[str] = ()
    ) -> None:
        super().__init__(task, task.key, process.pid, time.monotonic(), gpus)
        self._process = process

    @classmethod
    def start(
        cls,
        task: Task,
        command: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        gpus: Sequence[str] = (),
    ) -> Child:
        """Start a worker that outlives this process, should it be killed."""
        with log.open("ab") as output, _stop_signals_held_back():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        return cls(task, process, gpus)

    def is_gone(self) -> bool:
        # Without reaping: until then its group keeps its number, and can be ended safely.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is not None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        kill_group(self.pid)

    def reap(self) -> int | None:
        self.kill()
        return self._process.wait()


class Adopted(Watched):
    """A worker somebody else started, known by the record of its start."""

    def __init__(self, run: RunPaths, task: Task, state: TaskState) -> None:
        if state.process is None:
            raise ValueError(f"{task.id} has no process to adopt")
        age = time.time() - (state.started or time.time())
        gpus = _gpus_of(state.process) if task.resources.gpus else ()
        super().__init__(task, state.key, state.process.pid, time.monotonic() - age, gpus)
        self._run = run
        self._process = state.process
        self._looked = -math.inf

    def is_gone(self) -> bool:
        alive = self._process.is_alive()
        return self._is_over_elsewhere() if alive is None else not alive

    def signal(self, number: signal.Signals) -> None:
        self._process.send(number)

    def kill(self) -> None:
        if self._process.is_alive():  # in a container, another leads its group
            kill_group(self._process.group or self.pid)

    def reap(self) -> None:
        return None

    def _is_over_elsewhere(self) -> bool:
        """On another host only the ledger can tell."""
        if time.monotonic() - self._looked < REMOTE_INTERVAL:
            return False
        self._looked = time.monotonic()
        return read_state(self._run, self.task.id).status != "running"


def end_of(watched: Watched, status: int | None, state: TaskState) -> Ended | None:
    """The record that an ended worker left unwritten; None where nothing is missing. Pure.

    `state` is what the ledger says, not yet settled.
    """
    began = state.status == "running" and watched.is_one_of(state)
    if not began and (state.status != "pending" or status is None):
        return None
    if watched.timed_out:
        limit = format_duration(watched.task.resources.time)
        cause = f"timed out after {limit}"
        return Ended(attempt=state.attempt, outcome="timed_out", cause=cause, fault="time")
    if status == Exit.DISK_FULL:
        return _end(state, "failed", "no space left on the disk")
    if not began:
        return _end(state, "failed", f"the worker did not begin: {_how(watched, status)}")
    return _end(state, "killed", _how(watched, status))


@contextlib.contextmanager
def _stop_signals_held_back() -> Iterator[None]:
    """Have children start with these signals blocked; a worker takes them once it can handle them.

    Else a worker asked to stop while it still imports would die without a record.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(state: TaskState, outcome: Outcome, cause: str) -> Ended:
    return Ended(attempt=state.attempt, outcome=outcome, cause=cause)


def _how(watched: Watched, status: int | None) -> str:
    if status is None:
        return f"its process (pid {watched.pid}) is gone"
    if 0 <= status <= CONTAINED:
        return f"its process ended with status {status} and left no record"
    known = {number.value: number.name for number in signal.Signals}
    number = -status if status < 0 else status - CONTAINED
    name = known.get(number, f"signal {number}")  # real-time signals have no names
    hint = ", perhaps by the system for want of memory" if name == "SIGKILL" else ""
    return f"by {name}{hint}"


def _gpus_of(process: Process) -> tuple[str, ...]:
    """The GPUs an adopted worker was given, so that no other gets them."""
    with contextlib.suppress(psutil.Error):
        return visible_gpus(psutil.Process(process.pid).environ()) if process.is_local else ()
    return ()
