"""The tasks of a run as they are made: each once, shared where two would do the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.task import Task, make_task
from ptychopinn_batch.pipeline.outputs import outputs_of
from ptychopinn_batch.stages.params import StageParams

Extras = Mapping[str, JsonValue]


class TaskSet:
    """The tasks so far, in the order they were made; `image` is what all of them run in."""

    def __init__(self, run: RunPaths, image: str | None) -> None:
        self._run = run
        self._image = image
        self._tasks: dict[str, Task] = {}
        self._by_key: dict[str, Task] = {}
        self._gates: dict[str, tuple[Task, ...]] = {}  # checks that may stop what reads a store

    def all(self) -> tuple[Task, ...]:
        return tuple(self._tasks.values())

    def new(
        self,
        name: str,
        params: StageParams,
        extras: Extras,
        needs: Sequence[Task],
        resources: Resources,
        after: Sequence[Task] = (),
    ) -> Task:
        """A task that knows what it leaves behind, and waits for what may stop it."""
        task = make_task(
            id=name,
            stage=params.stage,
            entry=params.entry(),
            revision=params.revision,
            params=params.as_json(),
            extras=extras,
            needs=needs,
            after=(*after, *self.gates_of(needs)),
            resources=resources,
            image=self._image,
        )
        return task.model_copy(update={"outputs": outputs_of(task, params, self._run)})

    def share(self, task: Task) -> Task:
        """The task that does the same already, or this one."""
        same = self._by_key.get(task.key)
        return same or self.add(task)

    def add(self, task: Task) -> Task:
        """This task, whatever others do."""
        if task.id in self._tasks:
            raise ValueError(f"two tasks are named {task.id!r}")
        self._by_key[task.key] = self._tasks[task.id] = task
        return task

    def gate(self, store: Task, gates: tuple[Task, ...]) -> None:
        """Have whatever reads a store wait for these."""
        self._gates[store.id] = gates

    def gates_of(self, needs: Sequence[Task]) -> tuple[Task, ...]:
        """The checks that may stop what needs these, each once."""
        found = {gate.id: gate for need in needs for gate in self._gates.get(need.id, ())}
        return tuple(found.values())
