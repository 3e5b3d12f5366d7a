"""What every executor promises, so that one suite of tests states its behaviour."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from hpc.container import Container, python_inside
from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.plan import Decision
from hpc.task import Task

__all__ = ["Executor", "Handle", "known_tasks", "python_options", "worker_command"]


class Handle(ABC):
    """A submission under way. As a context manager it ends its work when interrupted (Ctrl-C)."""

    decisions: tuple[Decision, ...]

    @abstractmethod
    def poll(self) -> bool:
        """Do what is due now, without waiting; True when all is over."""

    @abstractmethod
    def cancel(self, ids: Collection[str] | None = None) -> None:
        """Have these tasks not run, or stop: all that are not over by default. Does not wait."""

    @abstractmethod
    def interrupt(self) -> None:
        """The user gave up waiting: end what would not go on usefully alone."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held, above all the lock of the run; stops no task."""

    def wait(self, interval: float = 0.1) -> None:
        """Poll until all is over, so many seconds apart."""
        while not self.poll():
            time.sleep(interval)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                self.interrupt()
        finally:
            self.close()


class Executor(Protocol):
    """A way to have tasks run."""

    def submit(
        self, run: RunPaths, tasks: Sequence[Task], only: Collection[str] | None = None
    ) -> Handle:
        """Decide on every task and have those run that are to; needs stand before their tasks.

        With `only`, no others: those must be all that the chosen ones need and lack. Raises
        LockedError while another submit is at work on the run.
        """
        ...


def known_tasks(
    run: RunPaths, known: Collection[str], chosen: Collection[str] | None
) -> Collection[str]:
    """The chosen tasks of a submission, all by default; UserError for a name that is none."""
    unknown = [name for name in chosen or () if name not in known]
    if unknown:
        raise UserError(f"no task is named {', '.join(unknown)}", where=f"run {run.name}")
    return known if chosen is None else chosen


def worker_command(
    run: RunPaths, task_id: str, container: Container | None = None
) -> tuple[str, ...]:
    """The command that runs one task: in the container, or by this process's own interpreter."""
    options = ("--runs", str(run.root), "--run", run.name, "--task", task_id)
    own = (sys.executable, *python_options())
    python = own if container is None else python_inside(container, run.root)
    return (*python, "-m", "hpc.worker", *options)


def python_options() -> tuple[str, ...]:
    """Options that give another interpreter this one's import path."""
    # Python puts the current folder first for `-m`. A script such as `ptychopinn-batch` has no such
    # entry, and there a stray random.py beside the user's data must not break the workers.
    here = {"", str(Path.cwd())}
    return () if here.intersection(sys.path) else ("-P",)
