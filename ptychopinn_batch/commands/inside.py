"""Whether a run's tasks can run in the container of its profile: asked before any is submitted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import JsonValue

from hpc.container import pinned
from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.probe import check_container
from hpc.settings import Settings
from hpc.task import Task
from ptychopinn_batch import __version__
from ptychopinn_batch.package.registry import SHIPPED

__all__ = ["check_inside"]

DISTRIBUTION = "ptychopinn-batch"
FILES = ("path", "files", "package", "pretrained")
"""Extras of tasks that name files which are read."""


def check_inside(run: RunPaths, tasks: Sequence[Task], settings: Settings, file: str) -> None:
    """UserError unless the image is still the one that was planned with, starts, and sees it all.

    `file` is where the container is stated.
    """
    container = settings.profile.container
    if container is None:
        return
    where = f"{file} container"
    try:
        pinned(container, Path("/"), f"{where}.image")
    except UserError as error:  # of a run submitted before: its tasks are of that image
        mend = error.mend if error.mend and "sha256" not in error.mend else None
        raise UserError(error.what, where=error.where, mend=mend or "Submit the spec") from None
    check_container(
        container,
        run.root,
        sorted(set(_files(tasks))),
        program=DISTRIBUTION,
        version=__version__,
        where=where,
    )


def _files(tasks: Iterable[Task]) -> Iterator[str]:
    """The full paths of all files and folders that tasks read from outside of the run."""
    for task in tasks:
        for key in FILES:
            yield from _paths(task.extras.get(key))


def _paths(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        path = Path(value)
        if path.is_absolute() and path.exists() and not path.is_relative_to(SHIPPED):
            yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _paths(one)
    elif isinstance(value, list):
        for one in value:
            yield from _paths(one)
