"""Who is at work on something: a lock that the kernel frees when its holder dies.

The lock is a `flock`, so nothing stale is ever left behind; the file with the owner's name beside
it only serves the message to those who come second.
"""

from __future__ import annotations

import contextlib
import getpass
import time
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from hpc.errors import LockedError
from hpc.fsio import write_atomic
from hpc.process import Process
from hpc.record import Record

__all__ = ["Lease", "Owner", "current_user", "holder"]


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

    def __init__(self, path: Path, what: str, *, wait: float = 0) -> None:
        """Take the lock at `path`, waiting so many seconds (-1: for ever).

        Raises LockedError, "<what> by <owner>", when it is held by someone else.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._note = _note_beside(path)
        self._lock = FileLock(path, timeout=wait, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise LockedError(
                f"{what} by {holder(path) or 'another process'}",
                where=str(path),
                mend="Wait until it has ended, or end it",
            ) from None
        owner = Owner(user=current_user(), process=Process.current(), since=time.time())
        write_atomic(self._note, owner.model_dump_json(), durable=False)

    def release(self) -> None:
        """Give the lock back; harmless when it was given back before."""
        if self._lock.is_locked:
            with contextlib.suppress(OSError):
                self._note.unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(path: Path) -> Owner | None:
    """Who holds the lock at `path`, by the note beside it; None where nobody is known to."""
    try:
        owner = Owner.model_validate_json(_note_beside(path).read_bytes())
    except (OSError, ValidationError):
        return None
    return None if owner.process.is_alive() is False else owner


def _note_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.owner.json")
