"""From tasks to job arrays: one per stage and shape, none larger than allowed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hpc.resources import Resources
from hpc.task import Task

__all__ = ["Array", "Shape", "arrays_of"]


@dataclass(frozen=True)
class Shape:
    """What the tasks of an array have in common: what they get, and the nodes they keep off."""

    resources: Resources
    shunned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Array:
    """Tasks that SLURM starts as one array, at most `parallel` at once.

    It waits for the arrays with the numbers in `after`, and for the tasks in `behind`, which were
    handed to SLURM earlier.
    """

    stage: str
    tasks: tuple[Task, ...]
    shape: Shape
    parallel: int
    after: tuple[int, ...]
    behind: tuple[str, ...]


def arrays_of(
    tasks: Sequence[Task],
    shape_of: Callable[[Task], Shape],
    *,
    size: int,
    limits: Mapping[str, int],
    under_way: Iterable[str] = (),
) -> list[Array]:
    """Arrays of at most `size` tasks, in an order in which each comes after those it waits for.

    `tasks` have every need before its task; of stage s at most `limits[s]` are to run at once;
    `under_way` are tasks that run or are queued already.
    """
    chunks = _chunks(tasks, shape_of, size)
    holder = {task.id: number for number, chunk in enumerate(chunks) for task in chunk}
    under_way = set(under_way)
    arrays = []
    for chunk in chunks:
        needs = {need for task in chunk for need in task.needs}
        arrays.append(
            Array(
                stage=chunk[0].stage,
                tasks=chunk,
                shape=shape_of(chunk[0]),
                parallel=len(chunk),
                after=tuple(sorted({holder[need] for need in needs & holder.keys()})),
                behind=tuple(sorted(needs & under_way)),
            )
        )
    return _limited(arrays, limits)


def _chunks(
    tasks: Sequence[Task], shape_of: Callable[[Task], Shape], size: int
) -> list[tuple[Task, ...]]:
    """The tasks by depth, stage and shape, cut to size."""
    depth: dict[str, int] = {}
    groups: dict[tuple[int, str, Shape], list[Task]] = {}
    for task in tasks:
        depth[task.id] = 1 + max((depth[need] for need in task.needs if need in depth), default=-1)
        groups.setdefault((depth[task.id], task.stage, shape_of(task)), []).append(task)
    ordered = sorted(groups.items(), key=lambda item: item[0][0])
    return [chunk for _, group in ordered for chunk in _cut(group, size)]


def _cut(group: Sequence[Task], size: int) -> list[tuple[Task, ...]]:
    return [tuple(group[k : k + size]) for k in range(0, len(group), size)]


def _limited(arrays: Sequence[Array], limits: Mapping[str, int]) -> list[Array]:
    """Share the places of a stage among its arrays, for SLURM limits each array by itself."""
    of_stage = Counter(array.stage for array in arrays)
    seen: Counter[str] = Counter()
    limited = []
    for array in arrays:
        places = limits.get(array.stage, len(array.tasks) * of_stage[array.stage])
        share = _share(places, seen[array.stage], of_stage[array.stage])
        limited.append(replace(array, parallel=min(share, len(array.tasks))))
        seen[array.stage] += 1
    return limited


def _share(places: int, number: int, among: int) -> int:
    """The places of one of so many; at least one, or its tasks would never start."""
    return max(1, places // among + (number < places % among))
