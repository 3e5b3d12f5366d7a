"""Which results a user means: RUN/VARIANT/SCAN, shortened as far as it is clear, or a folder."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hpc.errors import UserError
from hpc.paths import RunPaths
from ptychopinn_batch.commands.target import find_run
from ptychopinn_batch.results.run import RunResult, results_of

__all__ = ["find_results"]


def find_results(target: str, runs: Path) -> tuple[RunPaths, tuple[RunResult, ...]]:
    """A run, and those of its results that are meant; UserError where there are none of the name.

    RUN is a run's name, its folder or its spec. RUN/NAME means a variant, or else a scan.
    """
    run, names = _taken_apart(target, runs)
    results = results_of(run)
    chosen = tuple(result for result in results if _is_meant(result, names, results))
    if names and not chosen:
        raise _no_such_result(run, names, results)
    return run, chosen


def _taken_apart(target: str, runs: Path) -> tuple[RunPaths, list[str]]:
    by_folder = _in_folder(Path(target))
    if by_folder is not None:
        return by_folder
    name, *names = target.rstrip("/").split("/")
    if not names or Path(target).exists():
        return find_run(target, runs), []
    return find_run(name, runs), names


def _in_folder(folder: Path) -> tuple[RunPaths, list[str]] | None:
    """The run whose result lies in this folder, and the result's variant and scan."""
    place = folder.absolute()
    if not folder.is_dir() or len(place.parents) < 4:
        return None
    names = [place.parent.name, place.name]
    with suppress(UserError):  # no name of a run
        run = RunPaths(place.parents[3], place.parents[2].name)
        return (run, names) if run.result(*names) == place and run.plan.exists() else None
    return None


def _is_meant(result: RunResult, names: Sequence[str], others: Sequence[RunResult]) -> bool:
    match names:
        case []:
            return True
        case [name]:
            variants = any(other.variant == name for other in others)
            return name == (result.variant if variants else result.scan)
    return [result.variant, result.scan] == list(names)


def _no_such_result(run: RunPaths, names: Sequence[str], results: Sequence[RunResult]) -> UserError:
    known = [f"{result.variant}/{result.scan}" for result in results]
    close = difflib.get_close_matches("/".join(names), known, n=3, cutoff=0.3) or known[:3]
    mend = f"Did you mean {', '.join(close)}?" if close else "Its spec names no scans"
    return UserError(f"there is no result '{'/'.join(names)}'", where=f"run {run.name}", mend=mend)
