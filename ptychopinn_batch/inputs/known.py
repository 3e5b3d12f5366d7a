"""Remembers what was found out about scans, so that it is found out once and not every time.

Files are known by their identity as long as their sizes and the times of their last changes stay
the same; a scan's header by what the scan holds. Both lie beside the scan stores. They are only a
shortcut: what no longer holds, or cannot be read, is found out again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError

from hpc.errors import StateError
from hpc.fsio import append_line, read_lines
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.task import content_key
from ptychopinn_batch import __version__
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import OWN_READERS, Scan
from ptychopinn_batch.stages.params import STORE_SCHEMA, InputIdentity, ScanContent

__all__ = ["Header", "Inputs"]

# Nanoseconds. A file changed so shortly before it was read may change once more without a new
# time, since file systems count coarsely: it is not remembered.
SETTLED = 2_000_000_000

WHICH = ("path", "files", "format", "datasets")  # keys of a scan that say which files it has

R = TypeVar("R", bound=Record)


class KnownInput(Record):
    """The files of a scan as they were when they were hashed.

    scan: hash of what says which files they are; state: of all of them, without reading them.
    """

    scan: str
    files: tuple[str, ...] = Field(strict=False)
    state: str
    changed_ns: int
    identity: InputIdentity


class Header(Record):
    """A scan without a mistake that shows before its frames are read. `key`: what it holds.

    reader: what reads its file, None for a simulation; apart: the largest share of its frames that
    can be validated on apart from the others.
    """

    key: str
    reader: str | None
    frames: int
    n: int
    canvas: Canvas
    apart: float


class Inputs:
    """What is known of scans; `save` keeps what is new for the next time."""

    def __init__(self, run: RunPaths) -> None:
        self._run = run
        self._inputs = {known.scan: known for known in _read(run.known_inputs, KnownInput)}
        self._headers = {known.key: known for known in _read(run.known_scans, Header)}
        self._new_inputs: list[KnownInput] = []
        self._new_headers: list[Header] = []
        self._read_at: dict[str, str] = {}  # state of the files when a header was read

    def header(self, scan: Scan) -> Header:
        """The header of a scan; UserError where it cannot be used. Hashes no file."""
        if scan.path is None:
            return self._headers.get(_key(scan, None)) or _read_header(scan)
        known = self._unchanged(scan)
        header = self._headers.get(_key(scan, known)) if known else None
        files = known.files if known else _files(scan)
        self._read_at[_which(scan)] = _state(scan, files)[0]
        return header or _read_header(scan)

    def identify(self, scan: Scan, header: Header) -> InputIdentity | None:
        """The identity of a scan's files, None for a simulation; keeps its header in mind."""
        known = self._identify(scan) if scan.path else None
        key = _key(scan, known)
        same = known is None or self._read_at.get(known.scan) == known.state
        if key not in self._headers and same and _is_own(header.reader):
            self._headers[key] = header.model_copy(update={"key": key})
            self._new_headers.append(self._headers[key])
        return known.identity if known else None

    def are_still(self, scan: Scan, identity: InputIdentity) -> bool:
        """Whether a scan's files are those of this identity. Hashes those that are not remembered.

        UserError or OSError where they cannot be read.
        """
        files = _files(scan)
        state = _state(scan, files)[0]
        known = any((k.identity, k.state) == (identity, state) for k in self._inputs.values())
        return known or _hashed(scan).identity == identity

    def save(self) -> None:
        """Keep what was found out since."""
        _append(self._run.known_inputs, self._new_inputs)
        _append(self._run.known_scans, self._new_headers)
        self._new_inputs, self._new_headers = [], []

    def _identify(self, scan: Scan) -> KnownInput:
        known = self._unchanged(scan)
        if known is None:
            now, known = time.time_ns(), _hashed(scan)
            self._inputs[known.scan] = known
            if now - known.changed_ns > SETTLED:
                self._new_inputs.append(known)
        return known

    def _unchanged(self, scan: Scan) -> KnownInput | None:
        """What is known of a scan's files, if they are still the same."""
        known = self._inputs.get(_which(scan))
        return known if known and known.state == _state(scan, known.files)[0] else None


def _hashed(scan: Scan) -> KnownInput:
    from ptychopinn_batch.data.header import scan_identity  # scipy: only where it is needed

    files = _files(scan)
    state, changed = _state(scan, files)
    return KnownInput(
        scan=_which(scan),
        files=files,
        state=state,
        changed_ns=changed,
        identity=scan_identity(scan),
    )


def _files(scan: Scan) -> tuple[str, ...]:
    from ptychopinn_batch.readers.opened import input_files  # h5py: only where it is needed

    return tuple(map(str, input_files(scan)))


def _read_header(scan: Scan) -> Header:
    from ptychopinn_batch.data.header import read_header  # scipy: only where it is needed

    found = read_header(scan)
    return Header(
        key="",
        reader=found.reader,
        frames=found.frames,
        n=found.n,
        canvas=found.canvas,
        apart=found.apart,
    )


def _key(scan: Scan, known: KnownInput | None) -> str:
    """Hash of all that decides a header, the program included that checked it."""
    return content_key(
        {
            "scan": ScanContent.of(scan).model_dump(mode="json"),
            "file": known and known.identity.model_dump(mode="json"),
            "program": [__version__, STORE_SCHEMA],
        }
    )


def _which(scan: Scan) -> str:
    """Hash of what says which files a scan has."""
    return content_key(scan.model_dump(mode="json", include=set(WHICH)))


def _is_own(reader: str | None) -> bool:
    """Whether a header may be remembered: readers of other packages change without our knowing."""
    return reader is None or reader.split()[0] in OWN_READERS


def _state(scan: Scan, files: Sequence[str]) -> tuple[str, int]:
    """Sizes and times of the last change as a hash, and the latest of those times.

    The folder of a scan counts too. Of a file that is not there: what fits no memory.
    """
    states = [_state_of(Path(one)) for one in (str(scan.path), *files)]
    return content_key([list(state) for state in states]), max(time for _, time in states)


def _state_of(path: Path) -> tuple[int, int]:
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
