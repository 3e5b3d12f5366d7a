"""Which part of a task of several processes this one is, and where they find each other.

Environments say so: that of an `srun` step, or the one that `follower_environments` makes for
machines without SLURM. What says it is read here and nowhere else.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

__all__ = ["RANK_VARIABLES", "Ranks", "follower_environments", "free_port", "meeting_point"]

LOCALHOST = "127.0.0.1"
RANK_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK")
SPECIAL_STEP = 0xFFFFFFF0  # ids from here on: batch script, interactive shell; no step of tasks
PORTS = 15000, 10000  # first, how many: below those that systems give to outgoing connections


@dataclass(frozen=True)
class Ranks:
    """This process among those of its task. The default is a process by itself."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    node_rank: int = 0
    on_slurm: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Self:
        """As the environment says it.

        RANK and the like come first: within an interactive `srun` step, which shows its own numbers
        to all that is started in it, they are what `follower_environments` has set.
        """
        if {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= environ.keys():
            node = "GROUP_RANK" if "GROUP_RANK" in environ else "NODE_RANK"
            return cls(*_numbers(environ, "RANK", "WORLD_SIZE", "LOCAL_RANK", node))
        if _in_step_of_tasks(environ):
            size = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environ else "SLURM_NTASKS"
            names = "SLURM_PROCID", size, "SLURM_LOCALID", "SLURM_NODEID"
            return cls(*_numbers(environ, *names), on_slurm=True)
        return cls()


def _numbers(environ: Mapping[str, str], *names: str) -> tuple[int, int, int, int]:
    rank, size, local_rank, node_rank = (int(environ.get(name, "0")) for name in names)
    return rank, size, local_rank, node_rank


def _in_step_of_tasks(environ: Mapping[str, str]) -> bool:
    """Whether `srun` started this process. A batch script has a SLURM_PROCID too, but no step."""
    step = environ.get("SLURM_STEP_ID") or environ.get("SLURM_STEPID") or ""
    return step.isdecimal() and int(step) < SPECIAL_STEP and "SLURM_PROCID" in environ


def follower_environments(size_per_node: int, nodes: int, port: int) -> list[dict[str, str]]:
    """What each rank's environment has more than this one's; that of rank 0 comes first.

    All of them run on this machine, also those that count as ranks of another node.
    """
    size = size_per_node * nodes
    return [
        {
            "RANK": str(rank),
            "WORLD_SIZE": str(size),
            "LOCAL_RANK": str(rank % size_per_node),
            "NODE_RANK": str(rank // size_per_node),
            "GROUP_RANK": str(rank // size_per_node),
            "MASTER_ADDR": LOCALHOST,
            "MASTER_PORT": str(port),
        }
        for rank in range(size)
    ]


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((LOCALHOST, 0))
        port: int = listener.getsockname()[1]
        return port


def meeting_point(environ: Mapping[str, str]) -> tuple[str, int]:
    """Host and port of rank 0, the same for every rank: as set, else from SLURM's variables."""
    nodes = environ.get("SLURM_STEP_NODELIST") or environ.get("SLURM_JOB_NODELIST") or LOCALHOST
    first, count = PORTS
    port = first + int(environ.get("SLURM_JOB_ID", "0")) % count
    return environ.get("MASTER_ADDR", first_host(nodes)), int(environ.get("MASTER_PORT", port))


def first_host(nodes: str) -> str:
    """The first of a list as SLURM writes it: "n[03-05,9],m1" -> "n03"."""
    return re.sub(r"\[([^],-]+)[^]]*\]", r"\1", nodes).split(",")[0]
