"""What tasks ask for, held against what a profile says that their partitions allow. Pure.

One message for each stage and resource, about the task that asks for most: a thousand tasks that
are too long are one mistake.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hpc.errors import UserError
from hpc.resources import Resources, format_duration
from hpc.slurm.profile import Profile
from hpc.task import Task

__all__ = ["SpecKey", "exceeded"]

SpecKey = Callable[[str, str], str]
"""The dotted key of the job spec that sets one field of the resources of a stage."""


@dataclass(frozen=True)
class _Kind:
    """A resource: what a task asks for, how it is written, and how a spec asks for less."""

    name: str
    asked: Callable[[Resources], Any]
    shown: Callable[[Any], str]
    mend: Callable[[Resources, Any], tuple[str, str]]  # the field to change, and its new value


def _up_to(field: str, show: Callable[[Any], str]) -> Callable[[Resources, Any], tuple[str, str]]:
    return lambda _, limit: (field, show(limit))


def _fewer_cpus(asked: Resources, limit: int) -> tuple[str, str]:
    """Fewer for each process; where there is not even one for each, fewer processes."""
    each = limit // asked.tasks_per_node
    return ("cpus", f"{each}") if each else ("tasks_per_node", f"{limit}")


def _count(word: str) -> Callable[[int], str]:
    return lambda value: f"{value} {word}" if value == 1 else f"{value or 'no'} {word}s"


def _gb(value: float) -> str:
    """Never rounded up: what is shown must be allowed."""
    return f"{math.floor(value * 1000) / 1000:.10g}"


_KINDS = (
    _Kind("time", lambda r: r.time, format_duration, _up_to("time", format_duration)),
    _Kind("mem_gb", lambda r: r.mem_gb, lambda v: f"{v:.10g} GB of memory", _up_to("mem_gb", _gb)),
    _Kind("cpus", lambda r: r.cpus_of_node, _count("CPU"), _fewer_cpus),
    _Kind("gpus", lambda r: r.gpus, _count("GPU"), _up_to("gpus", str)),
    _Kind("nodes", lambda r: r.nodes, _count("node"), _up_to("nodes", str)),
)


def _plain_key(stage: str, field: str) -> str:
    return f"resources.{stage}.{field}"


def exceeded(
    tasks: Iterable[Task], profile: Profile, source: str, key: SpecKey = _plain_key
) -> Iterator[UserError]:
    """What no partition of a stage allows. `source` is the profile's file, for the messages."""
    stages: dict[str, list[Task]] = {}
    for task in tasks:
        stages.setdefault(task.stage, []).append(task)
    yield from _unknown_partitions(stages, profile, source)
    for stage, found in stages.items():
        for kind in _KINDS:
            yield from _too_much(stage, found, kind, profile, source, key)


def _unknown_partitions(
    stages: Iterable[str], profile: Profile, source: str
) -> Iterator[UserError]:
    """Partitions that are not among those of the profile, where it names any."""
    wrong: dict[str, str] = {}
    for stage in stages:
        for name in profile.partition_names(stage) if profile.partitions else ():
            if name not in profile.partitions:
                wrong.setdefault(name, _key_of_partition(profile, stage))
    for name, key in wrong.items():
        what = f"there is no partition '{name}' below partitions"
        yield UserError(what, where=f"{source} {key}", mend=_near(name, profile.partitions))


def _key_of_partition(profile: Profile, stage: str) -> str:
    own = profile.stages.get(stage)
    has_own = own is not None and "partition" in own.model_fields_set
    return f"stages.{stage}.partition" if has_own else "partition"


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(known)}"


def _too_much(
    stage: str, tasks: Sequence[Task], kind: _Kind, profile: Profile, source: str, key: SpecKey
) -> Iterator[UserError]:
    limit = getattr(profile.limits(stage), kind.name)
    most = max(tasks, key=lambda task: kind.asked(task.resources))
    asked = kind.asked(most.resources)
    if limit is None or asked <= limit:
        return
    names = profile.partition_names(stage)
    field, value = kind.mend(most.resources, limit)
    amount = f"up to {value}" if value != "0" else value
    yield UserError(
        f"task {most.id} asks for {kind.shown(asked)}, {_allow(names)} {kind.shown(limit)}",
        where=f"{source} partitions.{','.join(names)}",
        mend=f"Write {key(stage, field)} {amount}, or choose another partition",
    )


def _allow(names: Sequence[str]) -> str:
    quoted = " and ".join(f"'{name}'" for name in names)
    return f"partitions {quoted} allow" if len(names) > 1 else f"partition {quoted} allows"
