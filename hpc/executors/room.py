"""How much of this machine tasks may have at once, and which GPUs there are."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from hpc.resources import Resources

__all__ = ["Room", "usable_cpus", "visible_gpus"]

BYTES_PER_GB = 1e9


@dataclass(frozen=True)
class Room:
    """Places for tasks, CPUs, gigabytes and GPUs; infinity stands for no limit."""

    tasks: float = math.inf
    cpus: float = math.inf
    mem_gb: float = math.inf
    gpus: float = math.inf

    @classmethod
    def of_this_machine(cls, tasks: int | None = None) -> Room:
        """What this process may use of the machine, for at most so many tasks at once."""
        return cls(
            tasks=math.inf if tasks is None else tasks,
            cpus=usable_cpus(),
            mem_gb=psutil.virtual_memory().total / BYTES_PER_GB,
            gpus=len(visible_gpus(os.environ)),
        )

    def need_of(self, resources: Resources) -> Room:
        """What a task takes of this room, which is all of its nodes.

        At most all there is, so that a big task runs alone.
        """
        return Room(
            tasks=1,
            cpus=min(resources.processes * resources.cpus, self.cpus),
            mem_gb=min(resources.nodes * resources.mem_gb, self.mem_gb),
            gpus=min(resources.nodes * resources.gpus, self.gpus),
        )

    def holds(self, need: Room) -> bool:
        """Whether there is room for it."""
        return (
            self.tasks >= need.tasks
            and self.cpus >= need.cpus
            and self.mem_gb >= need.mem_gb
            and self.gpus >= need.gpus
        )

    def without(self, need: Room) -> Room:
        """What is left; never less than nothing."""
        return Room(
            tasks=max(0, self.tasks - need.tasks),
            cpus=max(0, self.cpus - need.cpus),
            mem_gb=max(0, self.mem_gb - need.mem_gb),
            gpus=max(0, self.gpus - need.gpus),
        )


def usable_cpus() -> int:
    """CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The GPUs that may be given to tasks, by the names CUDA_VISIBLE_DEVICES takes."""
    chosen = environment.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(name.strip() for name in chosen.split(",") if name.strip())
    try:
        count = len(list(Path("/proc/driver/nvidia/gpus").iterdir()))
    except OSError:
        return ()
    return tuple(str(index) for index in range(count))
