"""How much room files take, and removing them so that a kill in the middle leaves nothing half."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from hpc.fsio import sync_folder
from ptychopinn_batch.files import beside

__all__ = ["freed", "remove", "size_of"]

BLOCK = 512  # bytes, the unit of st_blocks whatever the file system's own


def size_of(path: Path) -> int:
    """Bytes that a file or a folder takes on the disk; a file with several names counts once."""
    return sum({(s.st_dev, s.st_ino): s.st_blocks * BLOCK for s in _states(path)}.values())


def freed(paths: Iterable[Path]) -> int:
    """Bytes that the disk gains when all of these are removed.

    Refined stores share their frames with the stores they were made of: such files are freed when
    their last name goes.
    """
    names: dict[tuple[int, int], int] = {}
    states: dict[tuple[int, int], os.stat_result] = {}
    for path in paths:
        for state in _states(path):
            file = state.st_dev, state.st_ino
            names[file], states[file] = names.get(file, 0) + 1, state
    return sum(
        state.st_blocks * BLOCK for file, state in states.items() if names[file] >= state.st_nlink
    )


def remove(path: Path) -> None:
    """Remove a file or a folder; it has lost its name before anything in it is gone."""
    nameless = beside(path)
    path.rename(nameless)
    sync_folder(path.parent)
    if nameless.is_dir():
        shutil.rmtree(nameless)
    else:
        nameless.unlink()


def _states(path: Path) -> Iterator[os.stat_result]:
    """Of every file below a path; folders are left out, they take next to nothing."""
    if not path.is_dir():
        yield path.lstat()
        return
    for folder, _, names in os.walk(path):
        for name in names:
            yield (Path(folder) / name).lstat()
