"""Linux namespaces and mounts, through libc: they need CAP_SYS_ADMIN, which containers may lack."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID = 0x20000, 0x4000000, 0x8000000, 0x20000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> None:
    if result == -1:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def mount(source: str | Path, target: str | Path, kind: str | None = None, flags: int = 0) -> None:
    texts = [None if text is None else str(text).encode() for text in (source, target, kind)]
    checked(libc.mount(*texts, ctypes.c_ulong(flags), None))


def make_namespaces() -> None:
    """Own mounts, hostname and shared memory for this process, an own process table for its
    children."""
    checked(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID))
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def die_with_parent(signum: int) -> None:
    checked(libc.prctl(PR_SET_PDEATHSIG, signum))


def adopt_orphans() -> None:
    """Descendants whose parent ended become our children, not those of process 1."""
    checked(libc.prctl(PR_SET_CHILD_SUBREAPER, 1))


def works_in_child(attempt: Callable[[], None]) -> bool:
    """Whether attempt() raises no OSError, tried in a child process."""
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
