"""From runs to what can go, and its removal: looked at, asked about, locked, looked at again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from hpc.lease import Lease
from hpc.paths import RunPaths
from ptychopinn_batch.tidy.disk import freed, remove
from ptychopinn_batch.tidy.leftovers import leftovers_in_run, shared_leftovers
from ptychopinn_batch.tidy.runs import KnownRun, known_runs
from ptychopinn_batch.tidy.stores import stores, users
from ptychopinn_batch.tidy.things import KINDS, Kept, Kind, Survey, Thing
from ptychopinn_batch.tidy.trainings import checkpoints

__all__ = ["look_over", "tidy_up"]


def look_over(root: RunPaths, names: Collection[str], kinds: Collection[Kind] = KINDS) -> Survey:
    """What can be removed of these runs below a folder, and what of it stays. Writes nothing."""
    runs = known_runs(root)
    found = tuple(_found(root, runs, [run for run in runs if run.name in names], kinds))
    things = tuple(each for each in found if isinstance(each, Thing))
    kept = tuple(each for each in found if isinstance(each, Kept))
    return Survey(things=things, kept=kept, frees=freed(Path(thing.path) for thing in things))


def tidy_up(
    root: RunPaths,
    names: Collection[str],
    agreed: Survey,
    removed: Callable[[Thing], None] = lambda thing: None,
) -> Survey:
    """Remove what was agreed on and may still go; what was removed.

    Nobody can begin to work on the runs that it belongs to meanwhile. LockedError where somebody
    has begun.
    """
    kinds = {thing.kind for thing in agreed.things}
    paths = {thing.path for thing in agreed.things}
    with ExitStack() as locks:
        for run in _owners(known_runs(root), paths):
            what = f"the run {run.name} is worked on"
            locks.enter_context(Lease(run.paths.lock, what, across_hosts=True))
        now = look_over(root, names, kinds)
        things = tuple(thing for thing in now.things if thing.path in paths)
        frees = freed(Path(thing.path) for thing in things)
        for thing in things:
            remove(Path(thing.path))
            removed(thing)
    return Survey(things=things, kept=(), frees=frees)


def _owners(runs: Sequence[KnownRun], paths: Collection[str]) -> Iterator[KnownRun]:
    """The runs in whose folders these lie, and all that share a store among them."""
    sharing = {run.name for path in paths for run, _ in users(runs, Path(path).name)}
    for run in runs:
        own = any(Path(path).is_relative_to(run.paths.folder) for path in paths)
        if own or run.name in sharing:
            yield run


def _found(
    root: RunPaths, runs: Sequence[KnownRun], chosen: Sequence[KnownRun], kinds: Collection[Kind]
) -> Iterator[Thing | Kept]:
    resting = [run for run in chosen if not run.trouble]
    for run in chosen:
        if run.trouble:
            yield Kept(path=str(run.paths.folder), size=0, why=run.trouble)
    if "stores" in kinds:
        yield from stores(runs, chosen)
    for run in resting:
        if "checkpoints" in kinds:
            yield from checkpoints(run.paths)
        if "leftovers" in kinds:
            yield from leftovers_in_run(run.paths)
    if "leftovers" in kinds:
        yield from shared_leftovers(root, lambda name: _is_free(name, runs, chosen))


def _is_free(name: str, runs: Sequence[KnownRun], chosen: Sequence[KnownRun]) -> bool:
    """Whether nobody can be at work on a store or a package, and one of the chosen runs has it.

    Of one that no run has, all runs must be chosen, and rest.
    """
    of = [run for run, _ in users(runs, name)]
    if any(run.damage for run in runs) or not (of or len(chosen) == len(runs)):
        return False
    return any(run in chosen for run in of or runs) and not any(run.trouble for run in of or runs)
