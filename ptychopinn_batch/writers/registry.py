"""All formats that scans are written in, by the names that readers have too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpc.errors import UserError
from ptychopinn_batch.data.source import RawScan
from ptychopinn_batch.data.writer import write_exact_npz
from ptychopinn_batch.readers.ptychodus import DIFFRACTION, PRODUCT
from ptychopinn_batch.writers.cxi import write_cxi
from ptychopinn_batch.writers.ptychodus import write_ptychodus_folder, write_ptychodus_training


@dataclass(frozen=True)
class Writer:
    """suffixes: of names that mean this format; files: written below the name, of a folder."""

    title: str
    suffixes: tuple[str, ...]
    write: Callable[[RawScan, Path], None]
    files: tuple[str, ...] = ()

    def targets(self, path: Path) -> tuple[Path, ...]:
        """The files that writing to a name makes."""
        return tuple(path / name for name in self.files) or (path,)


WRITERS: Mapping[str, Writer] = {
    "ptychopinn": Writer("PtychoPINN NPZ", (".npz",), write_exact_npz),
    "ptychodus": Writer(
        "folder of Ptychodus", ("",), write_ptychodus_folder, (PRODUCT, DIFFRACTION)
    ),
    "ptychodus_training": Writer(
        "training data of Ptychodus", (".h5", ".hdf5"), write_ptychodus_training
    ),
    "cxi": Writer("CXI", (".cxi",), write_cxi),
}


def find_writer(path: Path, name: str | None) -> Writer:
    """The writer of that name, else of the path's suffix."""
    if name is not None:
        return WRITERS[name]
    for writer in WRITERS.values():
        if path.suffix.lower() in writer.suffixes:
            return writer
    what = f"'{path.suffix}' is no format that can be written"
    mend = f"Say --to {' or '.join(WRITERS)}"
    raise UserError(what, where=str(path), mend=mend)
