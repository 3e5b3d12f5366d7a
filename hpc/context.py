"""What a task's entry point is given: its run, its parameters, a heartbeat, the wish to stop.

In a module of its own, because `python -m hpc.worker` is `__main__`: classes defined there would
be others than those an entry point imports.
"""

from __future__ import annotations

from collections.abc import Callable

from hpc.heartbeat import HeartbeatWriter
from hpc.paths import RunPaths
from hpc.task import Task

__all__ = ["Requeue", "TaskContext"]


class Requeue(Exception):
    """Raised by an entry that wants to be run again, from the state it has saved.

    `kept` says whether that is further than where this attempt began: an entry that is stopped
    time after time without getting on would be run for ever.
    """

    def __init__(self, message: str = "", *, kept: bool = True) -> None:
        super().__init__(message)
        self.kept = kept


class TaskContext:
    """The surroundings of one attempt at a task."""

    def __init__(
        self,
        run: RunPaths,
        task: Task,
        attempt: int = 1,
        *,
        stop: Callable[[], bool] = lambda: False,
        silent: bool = False,
    ) -> None:
        """`silent` for every rank but the first: one heartbeat is enough for a task."""
        self.run = run
        self.task = task
        self.attempt = attempt
        self._stop = stop
        self._heartbeat = None if silent else HeartbeatWriter(run.heartbeat(task.id), attempt)

    def heartbeat(self, *, step: int, total: int, **figures: float | str) -> None:
        """Tell how far the task is; cheap enough for every step."""
        if self._heartbeat is not None:
            self._heartbeat.beat(step, total, figures)

    def should_stop(self) -> bool:
        """Whether the task was asked to end: save the state at the next boundary, raise Requeue."""
        return self._stop()

    def close(self) -> None:
        """Write the heartbeat that still waits."""
        if self._heartbeat is not None:
            self._heartbeat.flush()
