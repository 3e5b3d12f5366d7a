"""From an exception to the one line that tells a user why a task failed. Pure."""

from __future__ import annotations

import errno
import os
import traceback
from collections.abc import Iterator

from hpc.errors import UserError
from hpc.ledger import Fault

__all__ = ["as_fault", "as_user_error", "cause_of", "is_disk_full", "last_lines", "plain"]

LONGEST_CAUSE = 1000
LAST_LINES = 12

# What a system answers about a file where no program is at fault.
_OUT_OF_REACH = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EIO,
    errno.ESTALE,
}


def cause_of(error: BaseException) -> str:
    """Why a task failed, in one line that needs no traceback."""
    return plain(_cause_of(error))


def _cause_of(error: BaseException) -> str:
    full = next((link for link in _chain(error) if _says_disk_full(link)), None)
    if full is not None:
        # A message made for the user knows the place, which the system often does not.
        return f"no space left on the disk: {error if isinstance(error, UserError) else full}"
    if any(_says_out_of_memory(link) for link in _chain(error)):
        return f"out of memory: {_message(error)}"
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"the entry point ended the process (exit status {error.code})"
    return f"{type(error).__name__}: {_message(error)}".removesuffix(": ")


def is_disk_full(error: BaseException) -> bool:
    """Whether a full disk, or a used-up quota, is behind an exception."""
    return any(_says_disk_full(link) for link in _chain(error))


def as_fault(error: BaseException) -> Fault | None:
    """Memory, where more of it on the node would have helped: a GPU's is not for the asking."""
    lacking = (link for link in _chain(error) if _says_out_of_memory(link))
    return "memory" if any(type(link).__name__ != "OutOfMemoryError" for link in lacking) else None


def as_user_error(error: BaseException) -> BaseException:
    """A full disk or a file out of reach as what the user can mend; any other exception itself."""
    if isinstance(error, UserError):
        return error
    if is_disk_full(error):
        return UserError(cause_of(error), mend="Free some space, then give the same command again")
    if isinstance(error, OSError) and error.errno in _OUT_OF_REACH and error.filename:
        what = error.strerror or "it cannot be used"
        mend = "Check the path and who may use it, or choose another"
        return UserError(plain(what), where=plain(os.fsdecode(error.filename)), mend=mend)
    return error


def last_lines(error: BaseException) -> tuple[str, ...]:
    """The end of the traceback, enough to find the place."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return tuple(plain(line[:LONGEST_CAUSE]) for line in lines[-LAST_LINES:])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those behind it: libraries wrap what the system said."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _says_disk_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _says_out_of_memory(error: BaseException) -> bool:
    # torch has types of its own for GPUs (by name: it is not imported here), and for the CPU only
    # a RuntimeError from its allocator.
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def plain(text: str) -> str:
    """Text that can be stored: names of files may hold bytes that are no characters."""
    return text.encode(errors="backslashreplace").decode()


def _message(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= LONGEST_CAUSE else f"{text[: LONGEST_CAUSE - 1]}…"
