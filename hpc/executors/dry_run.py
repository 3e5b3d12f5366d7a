"""The executor that starts nothing and writes nothing: it says what another would do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hpc.container import Container
from hpc.executors.base import Handle, worker_command
from hpc.paths import RunPaths
from hpc.queue import TaskQueue
from hpc.record import Record
from hpc.submission import Submission, plan_run
from hpc.task import Task

__all__ = ["Command", "DryRunExecutor", "DryRunHandle"]


class Command(Record):
    """What would be started for one task, once the tasks in `after` are done."""

    task: str
    argv: tuple[str, ...]
    after: tuple[str, ...]


class DryRunHandle(Handle):
    """A submission that is over before it began; `commands` in the order of their start."""

    def __init__(
        self, run: RunPaths, submission: Submission, container: Container | None = None
    ) -> None:
        self.decisions = submission.decisions
        self.commands = _commands(run, submission, container)

    def poll(self) -> bool:
        """True: nothing is under way."""
        return True

    def cancel(self, ids: Collection[str] | None = None) -> None:
        """Nothing to cancel."""

    def interrupt(self) -> None:
        """Nothing to interrupt."""

    def close(self) -> None:
        """Nothing to give back."""


@dataclass(frozen=True)
class DryRunExecutor:
    """Everything up to the last step."""

    container: Container | None = None

    def submit(
        self, run: RunPaths, tasks: Sequence[Task], only: Collection[str] | None = None
    ) -> DryRunHandle:
        """What a submit would start now; no file is written."""
        return DryRunHandle(run, plan_run(run, tasks, only), self.container)


def _commands(
    run: RunPaths, submission: Submission, container: Container | None
) -> tuple[Command, ...]:
    """The commands one after the other, as if each task succeeded at once."""
    tasks = [decision.task for decision in submission.decisions]
    done = {task.id for task in submission.of("skip")}
    queue = TaskQueue(tasks, done)
    for waiting in submission.of("wait"):
        state = submission.states[waiting.id]
        if state.status == "unknown":
            queue.fail(waiting.id)
        elif state.key == waiting.key:  # with other settings it would run once more
            queue.take(waiting.id)
            queue.succeed(waiting.id)
    commands: list[Command] = []
    while (task := next(queue.ready(), None)) is not None:
        after = tuple(need for need in task.needs if need not in done)
        argv = worker_command(run, task.id, container)
        commands.append(Command(task=task.id, argv=argv, after=after))
        queue.take(task.id)
        queue.succeed(task.id)
    return tuple(commands)
