"""What killed writers left behind: files and folders under names that count for nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from hpc.paths import RunPaths
from ptychopinn_batch.tidy.disk import size_of
from ptychopinn_batch.tidy.things import Thing

__all__ = ["leftovers_in_run", "shared_leftovers"]

# The names of `hpc.fsio.write_atomic` and `files.beside`: whose, by which process, at random.
_TEMPORARY = re.compile(r"\.(?P<of>.+?)\.(?P<pid>\d+)\.[0-9a-f]{8}\.tmp(\.\w+)?")


def leftovers_in_run(run: RunPaths) -> Iterator[Thing]:
    """Those in a run's folder; nobody must be at work on the run."""
    for folder, folders, names in os.walk(run.folder):
        found = [name for name in (*folders, *names) if _is_left_over(name)]
        folders[:] = [name for name in folders if name not in found]
        yield from (_thing(Path(folder) / name) for name in sorted(found))


def shared_leftovers(run: RunPaths, may_go: Callable[[str], bool]) -> Iterator[Thing]:
    """Those beside stores and packages that runs share; `may_go` says of which of these, by name,
    nobody is at work on any."""
    for folder in (run.stores, run.models):
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            found = _TEMPORARY.fullmatch(path.name)
            if found and _is_left_over(path.name) and may_go(found["of"]):
                yield _thing(path)


def _is_left_over(name: str) -> bool:
    """Whether it is a temporary one whose writer is not at work here."""
    found = _TEMPORARY.fullmatch(name)
    return found is not None and not psutil.pid_exists(int(found["pid"]))


def _thing(path: Path) -> Thing:
    about = "left behind by a process that was killed"
    return Thing(kind="leftovers", path=str(path), size=size_of(path), about=about)
