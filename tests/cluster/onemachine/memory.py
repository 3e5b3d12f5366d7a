"""Cgroups, version 1: made under folders of the cluster's own, and removed again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from onemachine.namespaces import MS_BIND, make_namespaces, mount, works_in_child

# Where cgroup v1 is in use: one limits the memory of jobs, one tells which processes are theirs.
HIERARCHIES = tuple(Path("/sys/fs/cgroup") / name for name in ("memory", "freezer"))


def cluster_group(controller_port: int) -> str:
    # The port tells clusters that run side by side apart.
    return f"slurm-test-{controller_port}"


def use_group(group: str) -> None:
    """Make a group in each hierarchy and show it, in this mount namespace, as the only one.

    SLURM 22.05 always puts its groups under /slurm_NODENAME; this way they come under the
    cluster's own folder.
    """
    for hierarchy in HIERARCHIES:
        (hierarchy / group).mkdir(parents=True, exist_ok=True)
        mount(hierarchy / group, hierarchy, None, MS_BIND)


def usable(group: str) -> bool:
    def attempt() -> None:
        make_namespaces()
        use_group(f"{group}/probe")

    try:
        there = all((hierarchy / "cgroup.procs").exists() for hierarchy in HIERARCHIES)
        return there and works_in_child(attempt)
    finally:
        remove_groups(group)


def remove_groups(group: str) -> bool:
    """Whether nothing is left; groups with a live process in them stay."""
    tops = [hierarchy / group for hierarchy in HIERARCHIES]
    for folder in (path for top in tops for path, _, _ in os.walk(top, topdown=False)):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return not any(top.exists() for top in tops)
