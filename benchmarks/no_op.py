"""A task that does nothing and imports nothing: what remains is the cost of running tasks."""

from __future__ import annotations

from hpc.context import TaskContext


def nothing(context: TaskContext) -> None:
    """The entry point."""
