"""Writer of PtychoPINN's NPZ contract: what its own loaders and Ptychodus open.

`diff3d` holds amplitudes, sqrt(counts) in float32, as PtychoPINN demands. No array is pickled, and
frames are streamed, so that a scan of any size can be written.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.source import Complex, RawScan, block_size
from ptychopinn_batch.files import whole_file

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore


@dataclass(frozen=True)
class _Contents:
    """What goes into the file, frames as blocks (k, n, n) of amplitudes with DC at the centre."""

    positions: NDArray[np.float64]
    probe: Complex
    object: Complex | None
    scan_index: NDArray[np.int64]
    bad_pixels: NDArray[np.bool_] | None
    amplitudes: Iterator[NDArray[np.float32]]


def write_npz(
    scan: RawScan | ScanStore,
    path: Path,
    *,
    object: Complex | None = None,  # noqa: A002
    canvas: Canvas | None = None,
) -> None:
    """Write a scan in the order of its own file; whole, or not at all.

    `object` (H, W) replaces the scan's reference. With the `canvas` it lies on, positions count
    from that canvas, as the contract wants: they are pixels of the object in the file.
    """
    contents = _of_raw(scan) if isinstance(scan, RawScan) else _of_store(scan)
    positions = canvas.centres(contents.positions) if canvas else contents.positions
    x, y = (np.ascontiguousarray(column) for column in positions.T)
    modes = contents.probe
    arrays: dict[str, NDArray[Any] | None] = {
        "xcoords": x,
        "ycoords": y,
        "xcoords_start": x,
        "ycoords_start": y,
        "probeGuess": modes[0] if len(modes) == 1 else modes,
        "objectGuess": contents.object if object is None else object.astype(np.complex64),
        "scan_index": contents.scan_index,
        "bad_pixels": contents.bad_pixels,
    }
    shape = (len(x), *modes.shape[1:])
    with whole_file(path) as new, zipfile.ZipFile(new, "x", zipfile.ZIP_STORED) as archive:
        _write_frames(archive, shape, contents.amplitudes)
        for name, array in arrays.items():
            if array is not None:
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    npy.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def _write_frames(
    archive: zipfile.ZipFile, shape: tuple[int, ...], blocks: Iterator[NDArray[np.float32]]
) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with archive.open("diff3d.npy", "w", force_zip64=True) as member:
        npy.write_array_header_1_0(member, header)
        for block in blocks:
            member.write(np.ascontiguousarray(block, dtype="<f4").data)


def _of_raw(raw: RawScan) -> _Contents:
    return _Contents(
        positions=raw.positions,
        probe=raw.probe,
        object=raw.reference,
        scan_index=raw.scan_index,
        bad_pixels=raw.bad_pixels,
        amplitudes=_raw_amplitudes(raw),
    )


def _raw_amplitudes(raw: RawScan) -> Iterator[NDArray[np.float32]]:
    for block in raw.frames.blocks(block_size(raw.frames.n)):
        values = block.astype(np.float32)
        yield values if raw.measurement == "amplitude" else np.sqrt(values)


def _of_store(store: ScanStore) -> _Contents:
    order = np.argsort(store.original_row.numpy())
    mask, reference = store.mask, store.reference
    return _Contents(
        positions=store.positions.numpy()[order],
        probe=store.probe.numpy(),
        object=None if reference is None else reference.numpy(),
        scan_index=store.scan_index.numpy()[order],
        bad_pixels=None if mask is None else np.fft.fftshift(~mask.numpy()),
        amplitudes=_stored_amplitudes(store, order),
    )


def _stored_amplitudes(store: ScanStore, order: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    import torch

    size = block_size(store.info.n)
    for start in range(0, len(order), size):
        block = store.amplitudes(torch.from_numpy(order[start : start + size]))
        yield np.fft.fftshift(block.numpy(), axes=(1, 2))
