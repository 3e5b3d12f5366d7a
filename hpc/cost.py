"""What tasks cost a cluster: node-, CPU- and GPU-hours. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from hpc.record import Record
from hpc.resources import Resources
from hpc.task import Task

__all__ = ["Hours", "at_most", "hours_of", "total_hours"]


class Hours(Record):
    """Hours of whole nodes, of CPUs and of GPUs that are kept from others."""

    node: float = Field(0.0, ge=0)
    cpu: float = Field(0.0, ge=0)
    gpu: float = Field(0.0, ge=0)


def hours_of(resources: Resources, seconds: float) -> Hours:
    """What it costs to hold these resources for some seconds."""
    nodes = resources.nodes * seconds / 3600
    return Hours(
        node=nodes,
        cpu=nodes * resources.cpus_of_node,
        gpu=nodes * resources.gpus,
    )


def at_most(task: Task) -> Hours:
    """What a task costs when it takes all of its time, once."""
    return hours_of(task.resources, task.resources.time.total_seconds())


def total_hours(several: Iterable[Hours]) -> Hours:
    """The sum."""
    several = tuple(several)
    return Hours(
        node=sum(hours.node for hours in several),
        cpu=sum(hours.cpu for hours in several),
        gpu=sum(hours.gpu for hours in several),
    )
