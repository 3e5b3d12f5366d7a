"""Memory cgroups, version 1: made under a folder of the cluster's own, and removed again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from onemachine.namespaces import MS_BIND, make_namespaces, mount, works_in_child

HIERARCHY = Path("/sys/fs/cgroup/memory")  # where cgroup v1 is in use


def cluster_group(controller_port: int) -> Path:
    # The port tells clusters that run side by side apart.
    return HIERARCHY / f"slurm-test-{controller_port}"


def use_group(group: Path) -> None:
    """Make a group and show it, in this mount namespace, as the only one.

    SLURM 22.05 always puts its groups under /slurm_NODENAME; this way they come under the
    cluster's own folder.
    """
    group.mkdir(parents=True, exist_ok=True)
    mount(group, HIERARCHY, None, MS_BIND)


def usable(group: Path) -> bool:
    def attempt() -> None:
        make_namespaces()
        use_group(group / "probe")

    try:
        return (HIERARCHY / "cgroup.procs").exists() and works_in_child(attempt)
    finally:
        remove_groups(group)


def remove_groups(group: Path) -> bool:
    """Whether nothing is left; groups with a live process in them stay."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return not group.exists()
