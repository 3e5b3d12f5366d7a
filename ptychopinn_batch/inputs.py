"""Remembers the identities of input files, so that the same file is hashed once and not every time.

The memory lies beside the scan stores. It is only a shortcut: an entry that no longer holds, or
cannot be read, means that the file is hashed again.
"""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import ValidationError

from hpc.errors import StateError
from hpc.fsio import append_line, read_lines
from hpc.record import Record
from ptychopinn_batch.data.header import input_identity
from ptychopinn_batch.stages.params import InputIdentity

__all__ = ["Inputs"]

# Nanoseconds. A file changed so shortly before it was read may change once more without a new
# time, since file systems count coarsely: it is not remembered.
SETTLED = 2_000_000_000


class Known(Record):
    """A file as it was when it was hashed."""

    path: str
    changed_ns: int
    identity: InputIdentity


class Inputs:
    """The identities of input files; `save` keeps those that were found, for the next time."""

    def __init__(self, memory: Path) -> None:
        """`memory` is a file that need not exist."""
        self._memory = memory
        self._known = {known.path: known for known in _read(memory)}
        self._new: list[Known] = []

    def identify(self, path: Path) -> InputIdentity:
        """The identity of a file. Raises UserError where it cannot be read."""
        known, now = self._known.get(str(path)), time.time_ns()
        size, changed = _state(path)
        if known is None or (known.identity.size, known.changed_ns) != (size, changed):
            known = Known(path=str(path), changed_ns=changed, identity=input_identity(path))
            self._known[known.path] = known
            if now - changed > SETTLED:
                self._new.append(known)
        return known.identity

    def save(self) -> None:
        """Remember what was hashed since."""
        if self._new:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
        for known in self._new:
            append_line(self._memory, known.model_dump_json())
        self._new.clear()


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change; of a file that is not there, what fits no memory."""
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _read(memory: Path) -> list[Known]:
    try:
        return [Known.model_validate_json(line) for line in read_lines(memory)]
    except (OSError, ValidationError, StateError):
        return []
