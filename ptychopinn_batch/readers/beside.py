"""What a spec gives in files of its own takes the place of what the scan's file holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Datasets, Files, Scan
from ptychopinn_batch.readers.arrays import modes_of
from ptychopinn_batch.readers.hdf5 import find_track
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.limits import check_size
from ptychopinn_batch.readers.npzfile import DAMAGE, NpzFile
from ptychopinn_batch.readers.recording import Recording, Track
from ptychopinn_batch.readers.sniff import is_hdf5, is_tiff, npz_keys
from ptychopinn_batch.readers.table import read_track
from ptychopinn_batch.readers.tifffiles import opened

PROBE_NAMES = ("probe", "probeGuess", "/entry_1/image_1/data")
MASK_NAMES = ("bad_pixels", "mask", "/entry_1/instrument_1/detector_1/mask")
_KINDS = "Give an NPY, NPZ, TIFF or HDF5 file"


def beside_files(options: Scan) -> tuple[Path, ...]:
    """Files that belong to a scan by its spec, but for those with its frames."""
    named = options.files or Files()
    return tuple(Path(one) for one in (named.positions, named.probe, named.mask) if one)


def with_beside(recording: Recording, options: Scan) -> Recording:
    """The recording with positions, probe and mask from files that the spec names."""
    named, datasets = options.files or Files(), options.datasets or Datasets()
    changes: dict[str, Any] = {}
    where = dict(recording.where)
    if named.positions:
        changes |= {"track": _track(Path(named.positions), options), "drawing": None}
    if named.probe:
        where["probe"] = named.probe
        found = _array(Path(named.probe), datasets.probe, PROBE_NAMES, "datasets.probe")
        changes["probe"] = modes_of(found)
    if named.mask:
        where["mask"] = named.mask
        found = _array(Path(named.mask), datasets.mask, MASK_NAMES, "datasets.mask")
        changes["bad_pixels"] = np.asarray(found != 0)
    return replace(recording, **changes, where=where) if changes else recording


def _track(path: Path, options: Scan) -> Track:
    if not is_hdf5(path):
        return read_track(path, options)
    track = find_track(Hdf5File(path), options)
    if track is None:
        mend = "Write datasets.positions, or datasets.x and datasets.y"
        raise UserError("it does not say where its positions are", where=str(path), mend=mend)
    return track


def _array(path: Path, key: str | None, usual: tuple[str, ...], option: str) -> NDArray[Any]:
    """One array: the file's only one, that of this name, or that of a usual name."""
    keys = npz_keys(path)
    if keys is not None:
        return NpzFile(path).read(_chosen(path, sorted(keys), key, usual, option))
    if is_hdf5(path):
        file = Hdf5File(path)
        found = [one for one in usual if file.has(one)] or [e.key for e in file.entries()]
        return file.read(_chosen(path, found, key, usual, option))
    if is_tiff(path):
        with opened(path) as tiff:
            page: Any = tiff.pages[0]
            check_size(tuple(page.shape), np.dtype(page.dtype), str(path))
            return np.asarray(page.asarray())
    return _npy(path)


def _chosen(
    path: Path, found: list[str], key: str | None, usual: tuple[str, ...], option: str
) -> str:
    if key is not None and (key in found or key.startswith("/")):
        return key
    known = [] if key else [one for one in usual if one in found] or found
    if len(known) != 1:
        held = ", ".join(found[:8]) or "nothing"
        what = f"it holds {held}, no {key}" if key else f"it holds {held}: which is it?"
        raise UserError(what, where=str(path), mend=f"Write {option}")
    return known[0]


def _npy(path: Path) -> NDArray[Any]:
    """An array in an NPY file, never a pickled one."""
    try:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(file)
        check_size(shape, dtype, str(path))
        return np.asarray(np.load(path, allow_pickle=False))
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError("no such file", where=str(path), mend="Check the path") from None
    except (*DAMAGE, TypeError) as error:
        what = f"this file cannot be read ({' '.join(str(error).split())[:200]})"
        raise UserError(what, where=str(path), mend=_KINDS) from None
