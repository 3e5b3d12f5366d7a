"""Writer of PtychoPINN's NPZ contract: what its own loaders and Ptychodus open.

`diff3d` holds amplitudes, sqrt(counts) in float32, as PtychoPINN demands. No array is pickled, and
frames are streamed, so that a scan of any size can be written.
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


def write_npz(raw: RawScan, path: Path) -> None:
    """Write a scan, whole or not at all; its reference becomes `objectGuess`."""
    with whole_file(path) as new, zipfile.ZipFile(new, "x", zipfile.ZIP_STORED) as archive:
        _write_frames(archive, raw)
        for name, array in _small_arrays(raw).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def _small_arrays(raw: RawScan) -> dict[str, NDArray[Any]]:
    """All but the frames. A single probe mode is written without an axis of modes."""
    x, y = raw.positions.T
    arrays: dict[str, NDArray[Any] | None] = {
        "xcoords": x,
        "ycoords": y,
        "xcoords_start": x,
        "ycoords_start": y,
        "probeGuess": raw.probe[0] if len(raw.probe) == 1 else raw.probe,
        "objectGuess": raw.reference,
        "scan_index": raw.scan_index,
        "bad_pixels": raw.bad_pixels,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def _write_frames(archive: zipfile.ZipFile, raw: RawScan) -> None:
    n = raw.frames.n
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(raw.frames), n, n)}
    with archive.open("diff3d.npy", "w", force_zip64=True) as member:
        npy.write_array_header_1_0(member, header)
        for block in raw.frames.blocks(block_size(n)):
            values = block.astype("<f4")
            if raw.bad_pixels is not None:
                values[:, raw.bad_pixels] = 0  # they may hold anything
            amplitudes = values if raw.measurement == "amplitude" else np.sqrt(values)
            member.write(np.ascontiguousarray(amplitudes).data)
