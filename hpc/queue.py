"""The order of work: which tasks may start now, which wait, which can no longer succeed. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Iterator, Sequence

from hpc.task import Task

__all__ = ["TaskQueue"]


class TaskQueue:
    """Tasks by dependency; those that are ready in the order of the plan.

    A task is taken when it starts; then it succeeds, fails, or is put back.
    """

    def __init__(self, tasks: Sequence[Task], done: Collection[str] = ()) -> None:
        """`tasks` with every need before its task; those in `done` have succeeded already."""
        done = set(done)
        self._tasks = [task for task in tasks if task.id not in done]
        self._index = {task.id: index for index, task in enumerate(self._tasks)}
        # Of each task that is not taken, the needs that are not done yet.
        self._unmet = {task.id: set(task.needs) - done for task in self._tasks}
        self._dependants: dict[str, list[str]] = {task.id: [] for task in self._tasks}
        for name, unmet in self._unmet.items():
            for need in unmet:
                self._dependants[need].append(name)
        self._ready = [self._index[name] for name, unmet in self._unmet.items() if not unmet]

    def ready(self) -> Iterator[Task]:
        """The tasks that may start, in the order of the plan; tasks may be taken meanwhile."""
        return (self._tasks[index] for index in tuple(self._ready))

    def holds(self, task_id: str) -> bool:
        """Whether the task is still ready or waiting."""
        return task_id in self._unmet

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to start."""
        return not self._unmet

    def take(self, task_id: str) -> None:
        """The task starts, or will not: it is neither ready nor waiting any more."""
        unmet = self._unmet.pop(task_id, None)
        if unmet is not None and not unmet:
            del self._ready[bisect.bisect_left(self._ready, self._index[task_id])]

    def put_back(self, task_id: str) -> None:
        """A taken task is ready again."""
        self._unmet[task_id] = set()
        bisect.insort(self._ready, self._index[task_id])

    def succeed(self, task_id: str) -> None:
        """A taken task is done: what waited for it alone is ready."""
        for name in self._dependants[task_id]:
            unmet = self._unmet.get(name)
            if unmet:
                unmet.discard(task_id)
                if not unmet:
                    bisect.insort(self._ready, self._index[name])

    def fail(self, task_id: str) -> tuple[str, ...]:
        """A task will not succeed: it goes, and all that depends on it; the names of the latter."""
        self.take(task_id)
        blocked: set[str] = set()
        doubtful = [task_id]
        while doubtful:
            lost = [name for name in self._dependants[doubtful.pop()] if name in self._unmet]
            for name in lost:
                self.take(name)
            blocked.update(lost)
            doubtful.extend(lost)
        return tuple(sorted(blocked, key=self._index.__getitem__))
