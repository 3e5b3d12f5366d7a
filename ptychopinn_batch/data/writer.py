"""Writer of PtychoPINN's NPZ contract: what its own loaders and Ptychodus open.

`diff3d` holds amplitudes, sqrt(counts) in float32, as PtychoPINN demands. No array is pickled, and
frames are streamed, so that a scan of any size can be written. Besides the contract's keys there
are those that `readers.ptychopinn` names: measurement, geometry, and where the scan lies.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ptychopinn_batch.data.source import RawScan, block_size
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.readers.ptychopinn import DISTANCE, ENERGY, MEASUREMENT, PIXEL, ZERO

COMMENTS = (
    "diff3d: amplitudes, sqrt(counts), DC at [N // 2, N // 2]. xcoords, ycoords: pixels of "
    "objectGuess under patch pixel N // 2, x counts columns. probeGuess and objectGuess together "
    "explain the frames up to one factor; a phase plane and a global phase are arbitrary. Energy "
    "in eV, lengths in m."
)
ROOTS_EXACT = 2**22  # the largest count that is found again from its root in float32


def write_npz(raw: RawScan, path: Path) -> None:
    """Write a scan, whole or not at all; its reference becomes `objectGuess`."""
    _write(raw, path, "<f4")


def write_exact_npz(raw: RawScan, path: Path) -> None:
    """The same, amplitudes in float64 where float32 would not give the counts back."""
    _write(raw, path, "<f4" if _roots_suffice(raw) else "<f8")


def _write(raw: RawScan, path: Path, dtype: str) -> None:
    with whole_file(path) as new, zipfile.ZipFile(new, "x", zipfile.ZIP_STORED) as archive:
        _write_frames(archive, raw, dtype)
        for name, array in _small_arrays(raw).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def _small_arrays(raw: RawScan) -> dict[str, NDArray[Any]]:
    """All but the frames. A single probe mode is written without an axis of modes."""
    x, y = raw.positions.T
    recorded = raw.recorded_positions
    start = raw.positions if recorded is None else recorded
    arrays: dict[str, NDArray[Any] | None] = {
        "xcoords": x,
        "ycoords": y,
        "xcoords_start": start[:, 0],
        "ycoords_start": start[:, 1],
        "probeGuess": raw.probe[0] if len(raw.probe) == 1 else raw.probe,
        "objectGuess": raw.reference,
        "scan_index": raw.scan_index,
        "bad_pixels": raw.bad_pixels,
        **_facts(raw),
    }
    return {name: array for name, array in arrays.items() if array is not None}


def _facts(raw: RawScan) -> dict[str, NDArray[Any] | None]:
    """What PtychoPINN leaves open, as arrays without axes."""
    facts: dict[str, str | float] = {MEASUREMENT: "amplitude", "comments": COMMENTS}
    if raw.geometry is not None:
        facts[ENERGY] = raw.geometry.energy_ev
        facts[DISTANCE] = raw.geometry.distance_m
        facts[PIXEL] = raw.geometry.detector_pixel_m
    if raw.zero_m is not None:
        facts |= dict(zip(ZERO, raw.zero_m, strict=True))
    return {name: np.array(value) for name, value in facts.items()}


def _write_frames(archive: zipfile.ZipFile, raw: RawScan, dtype: str) -> None:
    n = raw.frames.n
    header = {"descr": dtype, "fortran_order": False, "shape": (len(raw.frames), n, n)}
    with archive.open("diff3d.npy", "w", force_zip64=True) as member:
        npy.write_array_header_1_0(member, header)
        for block in raw.frames.blocks(block_size(n)):
            values = block.astype(dtype)
            if raw.bad_pixels is not None:
                values[:, raw.bad_pixels] = 0  # they may hold anything
            amplitudes = values if raw.measurement == "amplitude" else np.sqrt(values)
            member.write(np.ascontiguousarray(amplitudes).data)


def _roots_suffice(raw: RawScan) -> bool:
    """Whether float32 holds the amplitudes, or gives counts back; reads all frames to find out."""
    dtype = np.dtype(raw.frames.dtype)
    if raw.measurement == "amplitude":
        return dtype.itemsize <= 4
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        return True
    good = slice(None) if raw.bad_pixels is None else ~raw.bad_pixels
    values = (block[:, good] for block in raw.frames.blocks(block_size(raw.frames.n)))
    return all(bool(((v < ROOTS_EXACT) & (v == np.rint(v))).all()) for v in values)
