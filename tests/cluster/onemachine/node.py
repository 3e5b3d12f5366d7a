"""One node: a supervisor with slurmd under it; when slurmd ends, so does all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

from onemachine import memory, namespaces
from onemachine.folder import Folder
from onemachine.layout import Layout
from onemachine.namespaces import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, mount
from onemachine.programs import find

POWER_CUT = signal.SIGUSR1  # tells a supervisor to kill slurmd instead of ending it


def run_node(folder: Folder, layout: Layout, name: str) -> int:
    """Until slurmd ends; its exit status."""
    if layout.settings.plain:
        namespaces.adopt_orphans()  # slurmd detaches the processes of jobs
        return supervise(name)
    namespaces.make_namespaces()
    if layout.cgroups:
        memory.use_group(f"{memory.cluster_group(layout.controller_port)}/{name}")
    child = os.fork()
    if child:
        return follow(child)
    become(folder, name)
    return supervise(name)


def follow(child: int) -> int:
    """Outside the namespaces: hand signals in, end as the child does."""
    for signum in (signal.SIGTERM, POWER_CUT):
        signal.signal(signum, lambda received, _: os.kill(child, received))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def become(folder: Folder, name: str) -> None:
    """As process 1 of the new process table: when it ends, the kernel kills all others in it."""
    namespaces.die_with_parent(signal.SIGKILL)
    socket.sethostname(name)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV)
    mount(folder.hosts, "/etc/hosts", None, MS_BIND)


def supervise(name: str) -> int:
    slurmd = subprocess.Popen([find("slurmd") or "slurmd", "-D", "-N", name])
    signal.signal(signal.SIGTERM, lambda *_: slurmd.terminate())
    signal.signal(POWER_CUT, lambda *_: slurmd.kill())
    status = reap_until(slurmd.pid)
    kill_descendants()
    return os.waitstatus_to_exitcode(status)


def reap_until(awaited: int) -> int:
    """The wait status of one child; other children, adopted ones too, are reaped by the way."""
    while True:
        pid, status = os.wait()
        if pid == awaited:
            return status


def kill_descendants() -> None:
    with contextlib.suppress(ChildProcessError):  # raised when no child is left
        while True:
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.wait()


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found
