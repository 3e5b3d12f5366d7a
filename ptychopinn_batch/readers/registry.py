"""All readers: those that come with the package, and those that other packages bring.

A package adds a reader through an entry point of the group `ptychopinn_batch.readers`, which names
a `Reader` or a class of one that takes no arguments. Its own readers are asked first whether they
know a file, so that a special one goes before a general one.
"""

from __future__ import annotations

import difflib
import logging
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.cxi import CxiReader
from ptychopinn_batch.readers.hdf5 import Hdf5Reader
from ptychopinn_batch.readers.ptychodus import PtychodusNpzReader, PtychodusReader
from ptychopinn_batch.readers.ptychopinn import PtychoPinnReader
from ptychopinn_batch.readers.recording import Reader
from ptychopinn_batch.readers.tiff import TiffReader
from ptychopinn_batch.readers.training import PtychodusTrainingReader

GROUP = "ptychopinn_batch.readers"

# The first that recognises a file reads it: HDF5 is the last that does.
BUILT_IN: tuple[Reader, ...] = (
    PtychodusNpzReader(),
    PtychoPinnReader(),
    PtychodusReader(),
    PtychodusTrainingReader(),
    CxiReader(),
    TiffReader(),
    Hdf5Reader(),
)

_log = logging.getLogger(__name__)


@cache
def readers() -> tuple[Reader, ...]:
    """All readers, others' first. A name that is taken already is not given twice."""
    found: dict[str, Reader] = {}
    others = [reader for entry in entry_points(group=GROUP) if (reader := _loaded(entry))]
    taken = {reader.name for reader in BUILT_IN}
    for reader in others:
        if reader.name in taken:
            _log.warning("the reader %s is left out: its name is taken", reader.name)
            continue
        found[reader.name] = reader
        taken.add(reader.name)
    return (*found.values(), *BUILT_IN)


def find_reader(scan: Scan) -> Reader:
    """The reader of a scan's file: that of its `format`, else the first that recognises it."""
    path = Path(str(scan.path))
    if scan.format != "auto":
        return _named(scan.format, path)
    if not path.exists():
        mend = "Check the path; a relative one begins at the spec file"
        raise UserError("no such file", where=str(path), mend=mend)
    for reader in readers():
        if reader.recognises(path):
            return reader
    return _by_suffix(path)


def _named(name: str, path: Path) -> Reader:
    known = {reader.name: reader for reader in readers()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    mend = f"Did you mean '{close[0]}'?" if close else f"There are {', '.join(known)}"
    raise UserError(f"there is no reader for the format '{name}'", where=str(path), mend=mend)


def _by_suffix(path: Path) -> Reader:
    """The reader that can say what is wrong with a file that no reader recognises."""
    match path.suffix.lower():
        case ".npz" | ".npy":
            return PtychoPinnReader()
        case ".h5" | ".hdf5" | ".nxs" | ".cxi":
            return Hdf5Reader()
        case ".tif" | ".tiff":
            return TiffReader()
    what = "this is a folder without scans" if path.is_dir() else "no reader knows this file"
    titles = "; ".join(reader.title for reader in readers())
    raise UserError(what, where=str(path), mend=f"What can be read: {titles}")


def _loaded(entry: EntryPoint) -> Reader | None:
    """A reader of another package; one that cannot be loaded must not stop the others."""
    try:
        found = entry.load()
        reader: Reader = found() if isinstance(found, type) else found
        _ = reader.name, reader.title, reader.revision + 0
    except Exception:  # whatever a package of others raises
        _log.warning("the reader %s cannot be loaded", entry.value, exc_info=True)
        return None
    return reader
