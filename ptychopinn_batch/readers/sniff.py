"""What a file looks like, from its first bytes and names. Nothing here raises."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
TIFF_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
TIFFS = (".tif", ".tiff")
CHECKPOINT = re.compile(r"product\.\d+\.h5")


def npz_keys(path: Path) -> frozenset[str] | None:
    """Names of the arrays in an NPZ file; None where it is none."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return None


def is_hdf5(path: Path) -> bool:
    """Whether it begins as HDF5 files do. (It may also begin later: such files are not found.)"""
    return _start(path).startswith(HDF5_MAGIC)


def hdf5_names(path: Path) -> frozenset[str] | None:
    """Names at the top of an HDF5 file; None where it is none or damaged."""
    if not path.is_file() or not is_hdf5(path):
        return None
    import h5py  # whoever only looks at names need not wait for it

    try:
        with h5py.File(path, "r", locking=False) as file:
            return frozenset(str(name) for name in file)
    except (OSError, RuntimeError, ValueError, KeyError, UnicodeError):
        return None


def is_tiff(path: Path) -> bool:
    """Whether it begins as TIFF files do."""
    return _start(path).startswith(TIFF_MAGIC)


def tiffs_in(folder: Path) -> list[Path]:
    """TIFF files in a folder, by name, numbers in names counting as numbers."""
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in TIFFS]
    except OSError:
        return []
    return sorted(found, key=lambda path: natural(path.name))


def is_scan_folder(path: Path) -> bool:
    """Whether a folder is a scan by what lies in it: a product, frames of one, or TIFF files."""
    names = ("product.h5", "diffraction.h5")
    if not path.is_dir():
        return False
    return any((path / name).is_file() for name in names) or bool(
        tiffs_in(path) or last_checkpoint(path)
    )


def last_checkpoint(folder: Path) -> Path | None:
    """The last product that Ptychodus saved on the way, such as product.000100.h5."""
    try:
        names = [one.name for one in folder.iterdir() if CHECKPOINT.fullmatch(one.name)]
    except OSError:
        return None
    return folder / max(names, key=natural) if names else None


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts frame_10 after frame_9."""
    parts: list[tuple[int, int, str]] = []
    for digits in _runs(name):
        whole = digits.isascii() and digits.isdigit()
        parts.append((0, int(digits), digits) if whole else (1, 0, digits))
    return parts


def _runs(name: str) -> list[str]:
    """A name cut where digits begin or end."""
    runs: list[str] = []
    for letter in name:
        if runs and runs[-1][-1].isdigit() == letter.isdigit():
            runs[-1] += letter
        else:
            runs.append(letter)
    return runs


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError:
        return b""
