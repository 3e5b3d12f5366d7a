"""Remembers what was found out about scans, so that it is found out once and not every time.

A file is known by its identity as long as its size and the time of its last change stay the same;
a scan's header by what the scan holds. Both lie beside the scan stores. They are only a shortcut:
what no longer holds, or cannot be read, is found out again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from hpc.errors import StateError
from hpc.fsio import append_line, read_lines
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.task import content_key
from ptychopinn_batch import __version__
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.stages.params import STORE_SCHEMA, InputIdentity, ScanContent

__all__ = ["Header", "Inputs"]

# Nanoseconds. A file changed so shortly before it was read may change once more without a new
# time, since file systems count coarsely: it is not remembered.
SETTLED = 2_000_000_000

R = TypeVar("R", bound=Record)


class KnownFile(Record):
    """A file as it was when it was hashed."""

    path: str
    changed_ns: int
    identity: InputIdentity

    @property
    def state(self) -> tuple[int, int]:
        """What tells, without reading it, whether a file is still the same."""
        return self.identity.size, self.changed_ns


class Header(Record):
    """A scan without a mistake that shows before its frames are read. `key`: what it holds."""

    key: str
    frames: int
    n: int
    canvas: Canvas


class Inputs:
    """What is known of scans; `save` keeps what is new for the next time."""

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        self._files = {known.path: known for known in _read(run.known_inputs, KnownFile)}
        self._headers = {known.key: known for known in _read(run.known_scans, Header)}
        self._new_files: list[KnownFile] = []
        self._new_headers: list[Header] = []
        self._read_at: dict[str, tuple[int, int]] = {}  # state of a file when its header was read

    def header(self, scan: Scan) -> Header:
        """The header of a scan; UserError where it cannot be used. Hashes no file."""
        if scan.path is None:
            return self._headers.get(_key(scan, None)) or _read_header(scan)
        file = self._unchanged(Path(scan.path))
        known = self._headers.get(_key(scan, file)) if file else None
        self._read_at[scan.path] = _state(Path(scan.path))
        return known or _read_header(scan)

    def identify(self, scan: Scan, header: Header) -> InputIdentity | None:
        """The identity of a scan's file, None for a simulation; keeps its header in mind."""
        file = self._identify(Path(scan.path)) if scan.path else None
        key = _key(scan, file)
        same = file is None or self._read_at.get(file.path) == file.state
        if key not in self._headers and same:
            self._headers[key] = header.model_copy(update={"key": key})
            self._new_headers.append(self._headers[key])
        return file.identity if file else None

    def save(self) -> None:
        """Keep what was found out since."""
        _append(self._run.known_inputs, self._new_files)
        _append(self._run.known_scans, self._new_headers)
        self._new_files, self._new_headers = [], []

    def _identify(self, path: Path) -> KnownFile:
        known = self._unchanged(path)
        if known is None:
            now, known = time.time_ns(), _hashed(path)
            self._files[known.path] = known
            if now - known.changed_ns > SETTLED:
                self._new_files.append(known)
        return known

    def _unchanged(self, path: Path) -> KnownFile | None:
        """What is known of a file, if it is still the same."""
        known = self._files.get(str(path))
        return known if known and known.state == _state(path) else None


def _hashed(path: Path) -> KnownFile:
    from ptychopinn_batch.data.header import input_identity  # scipy: only where it is needed

    _, changed = _state(path)
    return KnownFile(path=str(path), changed_ns=changed, identity=input_identity(path))


def _read_header(scan: Scan) -> Header:
    from ptychopinn_batch.data.header import read_header  # scipy: only where it is needed

    found = read_header(scan)
    return Header(key="", frames=found.frames, n=found.n, canvas=found.canvas)


def _key(scan: Scan, file: KnownFile | None) -> str:
    """Hash of all that decides a header, the program included that checked it."""
    return content_key(
        {
            "scan": ScanContent.of(scan).model_dump(mode="json"),
            "file": file and file.identity.model_dump(mode="json"),
            "program": [__version__, STORE_SCHEMA],
        }
    )


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change; of a file that is not there, what fits no memory."""
    try:
        stat = path.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _append(memory: Path, records: Iterable[Record]) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True)
    for record in records:
        append_line(memory, record.model_dump_json())


def _read(memory: Path, model: type[R]) -> Iterator[R]:
    try:
        for line in read_lines(memory):
            yield model.model_validate_json(line)
    except (OSError, ValidationError, StateError):
        return
