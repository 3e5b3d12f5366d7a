"""Reader of a folder of TIFF files, or one file of many frames, with a table of positions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.recording import Recording
from ptychopinn_batch.readers.sniff import is_tiff, tiffs_in
from ptychopinn_batch.readers.table import read_track
from ptychopinn_batch.readers.tifffiles import find_tiffs

TABLES = (".csv", ".txt", ".dat", ".tsv")


@dataclass(frozen=True)
class TiffReader:
    """`format: tiff`."""

    name: str = "tiff"
    title: str = "TIFF files in a folder, with a table of positions"
    revision: int = 1

    def recognises(self, path: Path) -> bool:
        return bool(tiffs_in(path)) if path.is_dir() else is_tiff(path)

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        table = _table(path, options)
        return (*_frames(path), *([table] if table else []))

    def read(self, path: Path, options: Scan) -> Recording:
        paths, table = _frames(path), _table(path, options)
        names = tuple(one.name for one in paths) if len(paths) > 1 else ()
        return Recording(
            format=self.name,
            path=path,
            pictures=find_tiffs(paths),
            track=read_track(table, options, names) if table else None,
            where={"frames": str(path)},
        )


def _frames(path: Path) -> tuple[Path, ...]:
    found = tuple(tiffs_in(path)) if path.is_dir() else (path,)
    if not found:
        raise UserError("there are no TIFF files in it", where=str(path), mend="Check the path")
    return found


def _table(path: Path, options: Scan) -> Path | None:
    """The only table beside the frames; one that the spec names is read for all formats alike."""
    if options.files and options.files.positions:
        return None
    folder = path if path.is_dir() else path.parent
    found = sorted(one for one in folder.iterdir() if one.suffix.lower() in TABLES)
    if len(found) > 1:
        what = f"there are {len(found)} tables beside the frames"
        raise UserError(what, where=str(folder), mend="Write files.positions: the right one")
    return found[0] if found else None
