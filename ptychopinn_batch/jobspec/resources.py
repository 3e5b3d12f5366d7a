"""`resources` and `retry`: what the tasks of a stage may use, and which are tried again."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from hpc.resources import Resources, Time
from hpc.retry import RetryPolicy
from ptychopinn_batch.jobspec.base import Section


class StageLimits(Section):
    """What a task of one stage may use. A cluster enforces it; GPUs are used where given."""

    time: Time = Field(timedelta(hours=1), description="longest time of a task [HH:MM:SS]")
    mem_gb: float = Field(8.0, gt=0, le=1e5, description="memory of a node [GB]")
    cpus: int = Field(2, ge=1, le=1024, description="processor cores of a process")
    gpus: int = Field(0, ge=0, le=64, description="GPUs of a node; 0: none needed")
    array_parallelism: int = Field(8, ge=1, le=10**5, description="tasks that run at once")

    def resources(self, *, nodes: int = 1, tasks_per_node: int = 1) -> Resources:
        """These limits for one task of that many nodes and processes on a node."""
        return Resources(
            time=self.time,
            mem_gb=self.mem_gb,
            cpus=self.cpus,
            gpus=self.gpus,
            nodes=nodes,
            tasks_per_node=tasks_per_node,
        )


class TrainLimits(StageLimits):
    """What a training may use."""

    time: Time = Field(timedelta(hours=4), description="longest time of a task [HH:MM:SS]")
    mem_gb: float = Field(16.0, gt=0, le=1e5, description="memory of a node [GB]")
    array_parallelism: int = Field(4, ge=1, le=10**5, description="tasks that run at once")


class InferLimits(StageLimits):
    """What a block of tiles may use."""

    array_parallelism: int = Field(32, ge=1, le=10**5, description="tasks that run at once")


class RefineLimits(StageLimits):
    """What finding the probe and the positions of a scan may use."""

    mem_gb: float = Field(16.0, gt=0, le=1e5, description="memory of a node [GB]")


class StageResources(Section):
    """Limits of every stage; a key that is left out keeps the stage's own default."""

    prepare: StageLimits = Field(StageLimits(), description="reading or simulating a scan")
    train: TrainLimits = Field(TrainLimits(), description="training")
    refine: RefineLimits = Field(RefineLimits(), description="finding probe and positions")
    infer: InferLimits = Field(InferLimits(), description="reconstruction of a block of tiles")
    finalize: StageLimits = Field(StageLimits(), description="packaging, exports and metrics")


class Retry(RetryPolicy, Section):
    """How often a task is tried again by itself, by what ended it. Errors in the code never are."""
