"""Checkpoints of finished trainings: their networks are packaged, nothing goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hpc.errors import HpcError
from hpc.paths import RunPaths
from ptychopinn_batch.package.folder import package_files, read_manifest
from ptychopinn_batch.tidy.disk import size_of
from ptychopinn_batch.tidy.things import Kept, Thing
from ptychopinn_batch.training.paths import TrainingPaths

__all__ = ["checkpoints"]


def checkpoints(run: RunPaths) -> Iterator[Thing | Kept]:
    """Those of all trainings of a run, of earlier versions of its spec too."""
    for folder in sorted(run.training("*").parent.glob("*")):
        found = TrainingPaths(folder)
        if not found.checkpoints.is_dir() or found.checkpoints.is_symlink():
            continue
        path, size = str(found.checkpoints), size_of(found.checkpoints)
        if _is_packaged(found.package):
            about = f"of a finished training of {run.name}"
            yield Thing(kind="checkpoints", path=path, size=size, about=about)
        else:
            yield Kept(path=path, size=size, why="the training is not finished: it goes on from it")


def _is_packaged(package: Path) -> bool:
    try:
        read_manifest(package)
    except (HpcError, OSError):
        return False
    return all(path.is_file() for path in package_files(package))
