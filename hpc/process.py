"""Which process is meant: a pid alone is given again to others, so its start is kept with it."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
from pathlib import Path

import psutil

from hpc.record import Record

__all__ = ["Process", "kill_group", "this_host"]


class Process(Record):
    """A process on one host, told apart from any later one with the same pid."""

    host: str
    pid: int
    started: str  # opaque: compared, never read
    group: int | None = None  # its process group; None: recorded by an older version

    @classmethod
    def current(cls) -> Process:
        """The calling process."""
        pid = os.getpid()
        return cls(host=this_host(), pid=pid, started=_start_of(pid) or "", group=os.getpgrp())

    @property
    def is_local(self) -> bool:
        return self.host == this_host()

    def is_alive(self) -> bool | None:
        """Whether it still runs; None on another host, where this cannot be known."""
        return _start_of(self.pid) == self.started if self.is_local else None

    def send(self, number: signal.Signals) -> None:
        """Signal the process itself, if it is here and still the one that is meant."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"


def this_host() -> str:
    return socket.gethostname()


def kill_group(leader: int) -> None:
    """Kill a process group at once, whatever is left of it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _start_of(pid: int) -> str | None:
    """When a process started, exactly as its system counts; None where it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return _start_without_proc(pid) if not Path("/proc/self/stat").exists() else None
    # After the name in parentheses, which may hold spaces: state, ..., start time is field 22.
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return f"{_boot_id()}:{fields[19].decode()}"


def _start_without_proc(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


@functools.cache
def _boot_id() -> str:
    """Start times are counted from the boot, so they mean nothing without it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return f"{psutil.boot_time():.0f}"
