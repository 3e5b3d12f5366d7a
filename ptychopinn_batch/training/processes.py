"""The ranks of a training, as Lightning and torch.distributed are told of them.

Which ranks there are is said by `hpc.ranks`, never by Lightning's own detection: that goes by
variables which any shell within an allocation has, and by names of jobs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import lightning
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, distributed

from hpc.ranks import Ranks, meeting_point

PATIENCE = timedelta(minutes=10)  # with a rank that does not answer: it is dead, or its node is


class RankEnvironment(ClusterEnvironment):
    """Tells Lightning that every rank is a node with one device.

    Then it is of no consequence whether a process sees all GPUs of its node or only its own.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return meeting_point(os.environ)[0]

    @property
    def main_port(self) -> int:
        return meeting_point(os.environ)[1]

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.ranks.size

    def set_world_size(self, size: int) -> None:
        """It is known."""

    def global_rank(self) -> int:
        return self.ranks.rank

    def set_global_rank(self, rank: int) -> None:
        """So is this one."""

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return self.ranks.rank


def own_device(ranks: Ranks) -> list[int] | int:
    """The GPU of this rank, by its number among those it sees; else one processor."""
    gpus = torch.cuda.device_count()
    return [ranks.local_rank % gpus] if gpus else 1


class DataParallel(DDPStrategy):
    """Lightning's processes, but gradients are averaged by `average`, not by torch's DDP.

    DDP rearranges gradients after its first step, and sums them in another order from then on: a
    resumed training would round otherwise than one that was not interrupted. What it gains by
    summing while others are still computed is nothing here, for these networks are small.
    """

    def configure_ddp(self) -> None:
        """Where DDP would wrap the module. All ranks begin with the weights of the first."""
        assert self.model is not None
        for tensor in self.model.state_dict().values():
            distributed.broadcast(tensor, 0)


def ranks_on_gpu(ranks: Ranks, *, ranks_of_node: int) -> int:
    """How many ranks share a GPU. On SLURM a rank that sees one may have it for itself."""
    gpus = torch.cuda.device_count()
    return 1 if ranks.on_slurm or not gpus else -(-ranks_of_node // gpus)


def strategy(ranks: Ranks, *, ranks_of_node: int) -> DDPStrategy | str:
    """Data parallel where there are several ranks."""
    if ranks.size == 1:
        return "auto"
    # NCCL refuses two ranks on a GPU.
    shared = ranks_on_gpu(ranks, ranks_of_node=ranks_of_node) > 1
    return DataParallel(timeout=PATIENCE, process_group_backend="gloo" if shared else None)


def average(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their mean over ranks, which all have as many of the same sizes."""
    if not are_joined():
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for tensor, mean in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def are_joined() -> bool:
    """Whether this process is one of several that are in touch."""
    return distributed.is_available() and distributed.is_initialized()


@contextlib.contextmanager
def joined(trainer: lightning.Trainer) -> Iterator[None]:
    """All ranks in touch with one another, also before and after Lightning is at work.

    They part in the end, whatever happens: a process that exits with its group may abort.
    """
    try:
        if trainer.world_size > 1:
            trainer.strategy.setup_environment()
        yield
        trainer.strategy.barrier()
    finally:
        if are_joined():
            distributed.destroy_process_group()


def read_for_all(path: Path) -> bytes:
    """A file as the first rank sees it: a network file system may show others an older one."""
    if not are_joined():
        return path.read_bytes()
    held = [path.read_bytes() if distributed.get_rank() == 0 else b""]
    distributed.broadcast_object_list(held)
    return held[0]
