"""A machine that fails: the k-th access of a program to its files kills it, or is refused.

What Python tells its audit hooks of files (opened, renamed, removed, linked, locked) and every
`fsync` are the places. A fault strikes before the place is reached: what the one before it has
written is on disk, what would come is not. Processes that were forked share one count.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import signal
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Count", "Machine", "Strike", "kill", "refuse", "slow", "tear"]

Strike = Callable[[str, str], None]
"""What happens at a place: told which one, and the file."""

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
           "os.truncate", "os.utime", "os.chmod"}  # fmt: skip


class Count:
    """A number that processes share, and that only grows."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)
        self._value = ctypes.c_longlong.from_buffer(self._memory)

    @property
    def value(self) -> int:
        return self._value.value

    def next(self) -> int:
        self._value.value += 1
        return self._value.value


class Machine:
    """Watches one folder; at place number `first`, and the later ones if `lasting`, it strikes."""

    def __init__(
        self,
        folder: Path,
        strike: Strike,
        first: int,
        *,
        lasting: bool = False,
        reads: bool = False,
    ) -> None:
        self.places, self.struck = Count(), Count()
        self._folder = os.fspath(folder) + os.sep
        self._strike, self._first, self._lasting, self._reads = strike, first, lasting, reads
        self._busy = False

    def start(self) -> None:
        """Watch this process and those it forks, for ever: audit hooks stay."""
        sys.addaudithook(self._audit)
        real = os.fsync

        def fsync(descriptor: int) -> None:
            self._reach("fsync", _name_of(descriptor))
            real(descriptor)

        os.fsync = fsync

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            written = isinstance(flags, int) and flags & WRITES
            if isinstance(path, str | bytes | os.PathLike) and (written or self._reads):
                self._reach("open", os.fsdecode(path))
        elif event in CHANGES:
            self._reach(event, os.fsdecode(arguments[0]) if _is_path(arguments[0]) else "")
        elif event == "fcntl.flock":
            self._reach(event, _name_of(int(arguments[0])))  # type: ignore[call-overload]

    def _reach(self, place: str, path: str) -> None:
        path = os.path.abspath(path)  # noqa: PTH100 - of whatever the program has called it
        if self._busy or not path.startswith(self._folder):
            return
        number = self.places.next()
        if number == self._first or (self._lasting and number > self._first):
            self._busy = True
            try:
                self.struck.next()
                self._strike(place, path)
            finally:
                self._busy = False


def kill(place: str, path: str) -> None:
    """The process is gone, as by `kill -9`."""
    os.kill(os.getpid(), signal.SIGKILL)


def tear(place: str, path: str) -> None:
    """The same, and of what was written last only a half has reached the disk."""
    if place == "fsync" and Path(path).is_file():
        data = Path(path).read_bytes()
        last = data[:-1].rfind(b"\n") + 1
        os.truncate(path, last + (len(data) - last) // 2)
    kill(place, path)


def refuse(number: int) -> Strike:
    """The file system answers so."""

    def strike(place: str, path: str) -> None:
        if place == "fsync":
            raise OSError(number, os.strerror(number))
        raise OSError(number, os.strerror(number), path)

    strike.__name__ = errno.errorcode[number]
    return strike


def slow(place: str, path: str) -> None:
    """A file system that is asked too much."""
    time.sleep(0.02)


def _is_path(value: object) -> bool:
    return isinstance(value, str | bytes | os.PathLike)


def _name_of(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.fstat(descriptor).st_mode) or stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115
    return ""
