"""Who is at work on something: a lock that nobody has to remove by hand.

On one host it is a `flock`, which the kernel frees when its holder dies. Between hosts, where file
systems may not pass locks on, the note beside it counts: it names its owner, who renews it, and one
that was not renewed for a while has expired.
"""

from __future__ import annotations

import contextlib
import getpass
import math
import os
import threading
import time
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from hpc.errors import LockedError
from hpc.fsio import write_atomic, write_new
from hpc.process import Process
from hpc.record import Record

RENEW_EVERY = 20.0  # seconds
EXPIRES_AFTER = 120.0  # seconds: file systems of clusters remember attributes for up to 60
LOOK_EVERY = 0.5

__all__ = ["EXPIRES_AFTER", "Lease", "Owner", "at_work", "current_user", "holder"]


class Owner(Record):
    """Who holds a lock."""

    user: str
    process: Process
    since: float  # seconds since 1970

    def __str__(self) -> str:
        return f"{self.user}, {self.process}"


def current_user() -> str:
    """The name of the user, or "unknown": a container may run under an id without a name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


class Lease:
    """The right to work on something, held until `release` or the end of the process."""

    def __init__(
        self, path: Path, what: str, *, wait: float = 0, across_hosts: bool = False
    ) -> None:
        """Take the lock at `path`, waiting so many seconds (-1: for ever).

        `across_hosts` where workers of several hosts may want it, and nothing else keeps them
        apart. Raises LockedError, "<what> by <owner>", when it is held by someone else.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._what, self._note = path, what, _note_beside(path)
        self._lock = FileLock(path, timeout=wait, thread_local=False)
        self._process = Process.current()
        self._over = threading.Event()
        deadline = math.inf if wait < 0 else time.monotonic() + wait
        try:
            self._lock.acquire()
        except Timeout:
            raise self._held() from None
        try:
            self._claim(deadline, across_hosts)
        except BaseException:
            self._lock.release()
            raise
        if across_hosts:
            threading.Thread(target=self._renew, daemon=True).start()

    def release(self) -> None:
        """Give the lock back; harmless when it was given back before."""
        self._over.set()
        if self._lock.is_locked:
            if self._is_ours():
                with contextlib.suppress(OSError):
                    self._note.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _claim(self, deadline: float, across_hosts: bool) -> None:
        """Put our name on it, once no other host's is there that is still renewed."""
        owner = Owner(user=current_user(), process=self._process, since=time.time())
        while not self._named(owner.model_dump_json(), across_hosts):
            if time.monotonic() >= deadline:
                raise self._held(_other_host(self._note))
            time.sleep(LOOK_EVERY)

    def _named(self, note: str, across_hosts: bool) -> bool:
        """Whether it bears our name now; of hosts that come at once, one succeeds."""
        is_new = not self._note.exists()  # asked first: it may come any moment
        if across_hosts and _other_host(self._note) is not None:
            return False
        if across_hosts and is_new:
            return write_new(self._note, note)
        write_atomic(self._note, note, durable=False)  # it has expired, or its owner had this lock
        return self._is_ours()

    def _renew(self) -> None:
        while not self._over.wait(RENEW_EVERY) and self._is_ours():
            with contextlib.suppress(OSError):
                os.utime(self._note)

    def _is_ours(self) -> bool:
        """Whether the note names us: one who slept too long finds another host's there."""
        owner = _owner(self._note)
        return owner is None or owner.process == self._process

    def _held(self, owner: Owner | None = None) -> LockedError:
        owner = owner or holder(self._path)
        mend = "Wait until it has ended, or end it"
        if owner is not None and not owner.process.is_local:
            mend += f"; if its host is gone, its claim expires after {EXPIRES_AFTER:.0f} s"
        by = owner or "another process"
        return LockedError(f"{self._what} by {by}", where=str(self._path), mend=mend)


def holder(path: Path) -> Owner | None:
    """Who holds the lock at `path`, by the note beside it; None where nobody is known to."""
    owner = _owner(_note_beside(path))
    return None if owner is None or owner.process.is_alive() is False else owner


def at_work(path: Path) -> Owner | None:
    """Who holds a lock that is held across hosts: a claim of another host may have expired."""
    owner = holder(path)
    if owner is None or owner.process.is_local:
        return owner
    return _other_host(_note_beside(path))


def _other_host(note: Path) -> Owner | None:
    """The process of another host that holds it, by a note that was renewed lately."""
    owner = _owner(note)
    if owner is None or owner.process.is_local:
        return None
    try:
        age = time.time() - note.stat().st_mtime
    except OSError:
        return None
    return owner if age < EXPIRES_AFTER else None


def _owner(note: Path) -> Owner | None:
    """Whom a note names; None where there is none, or none that can be read."""
    try:
        return Owner.model_validate_json(note.read_bytes())
    except (OSError, ValidationError):
        return None


def _note_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.owner.json")
