"""Builds scan stores: from a raw scan to a whole folder, or to none."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpc.errors import StateError, UserError
from hpc.fsio import sha256_file
from hpc.lease import Lease
from hpc.task import content_key
from ptychopinn_batch.data.illumination import brightest
from ptychopinn_batch.data.intake import Dose, Intake
from ptychopinn_batch.data.order import hilbert_order
from ptychopinn_batch.data.source import Frames, RawScan, block_size, canvas_of
from ptychopinn_batch.data.store import (
    ARRAYS,
    FRAMES,
    SCAN_JSON,
    ScanInfo,
    ScanStore,
    StoredFile,
    array_file,
)
from ptychopinn_batch.files import sweep, whole_folder

ArrayType = tuple[np.dtype[Any], tuple[int, ...]]
Beat = Callable[[int, int], None]  # frames done, frames in all; may raise to stop

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def build_store(raw: RawScan, folder: Path, *, beat: Beat = lambda done, total: None) -> ScanStore:
    """The store in `folder`: the one that is there if it is whole, else a new one.

    One process builds, others wait for it. What a killed one left behind is removed. A store that
    is there but damaged is replaced. Raises UserError for a broken scan or a full disk; nothing is
    left behind then.
    """
    lock, what = folder.with_name(f".{folder.name}.lock"), "this scan is being prepared"
    with Lease(lock, what, wait=-1, across_hosts=True):
        sweep(folder)
        store = whole_store(folder)
        if store is not None:
            return store
        with clear_about_room(folder), whole_folder(folder) as temporary:
            _fill(raw, temporary, beat)
        return ScanStore.open(folder)


def whole_store(folder: Path) -> ScanStore | None:
    """The store in a folder; None if there is none, or a damaged one."""
    try:
        return ScanStore.open(folder)
    except StateError:
        return None


@contextmanager
def clear_about_room(folder: Path) -> Iterator[None]:
    """A full disk while a store is written becomes one clear message."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        what = f"no room for the scan store ({error.strerror}); nothing was left behind"
        mend = "Free some space, or give another folder with --runs"
        raise UserError(what, where=str(folder.parent), mend=mend) from error


def _fill(raw: RawScan, folder: Path, beat: Beat) -> None:
    """All files of a store. The scan's file is read once, in its own order."""
    arrays = folder / ARRAYS
    arrays.mkdir()
    order = hilbert_order(raw.positions)
    good = None if raw.bad_pixels is None else ~raw.bad_pixels
    dtype = stored_dtype(raw)
    dose = _write_frames(raw, array_file(arrays, FRAMES), order, dtype, good, beat)
    types: dict[str, ArrayType] = {FRAMES: (dtype, (len(raw.frames), raw.frames.n, raw.frames.n))}
    for name, value in _small_arrays(raw, order, good, dose):
        array_file(arrays, name).write_bytes(np.ascontiguousarray(value).data)
        types[name] = value.dtype, value.shape
        del value  # before the next one is made
    _describe(arrays, types)
    info = _info(raw, dtype, dose, stored_files(folder))
    (folder / SCAN_JSON).write_text(info.model_dump_json(indent=1))


def _describe(arrays: Path, types: dict[str, ArrayType]) -> None:
    """Make the files in a folder a memory-mapped TensorDict."""
    from tensordict import MemoryMappedTensor, TensorDict  # slow to import, and only needed here

    tensors = {
        name: MemoryMappedTensor.from_filename(
            array_file(arrays, name), _torch_dtype(dtype), torch.Size(shape)
        )
        for name, (dtype, shape) in types.items()
    }
    TensorDict(tensors, batch_size=[]).memmap_(arrays)
    for path in arrays.iterdir():
        path.chmod(0o444)  # a store never changes


def stored_dtype(raw: RawScan) -> np.dtype[Any]:
    """The detector's own type; amplitudes, which are roots, as float32."""
    own = np.dtype(raw.frames.dtype).newbyteorder("=")
    return np.dtype(np.float32) if raw.measurement == "amplitude" else own


def _torch_dtype(dtype: np.dtype[Any]) -> torch.dtype:
    return torch.from_numpy(np.zeros(0, dtype)).dtype


def _write_frames(
    raw: RawScan,
    path: Path,
    order: NDArray[np.int64],
    dtype: np.dtype[Any],
    good: NDArray[np.bool_] | None,
    beat: Beat,
) -> Dose:
    """Each frame to its place, with plain writes; what was measured.

    Through a memory map a full disk would kill the process instead of raising an error.
    """
    intake = Intake(len(raw.frames), raw.measurement, good, raw.origin)
    # What is kept of every frame adds up to gigabytes: half the width is wide enough here.
    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    total, done = len(order), 0
    with path.open("xb", buffering=0) as file:
        for block in raw.frames.blocks(block_size(raw.frames.n)):
            frames = np.fft.ifftshift(intake.take(block), axes=(1, 2)).astype(dtype)
            _write_rows(file.fileno(), place[done : done + len(frames)], frames)
            done += len(frames)
            beat(done, total)
    return intake.dose()


def _write_rows(descriptor: int, rows: NDArray[np.uint32], frames: Frames) -> None:
    size = frames[0].nbytes
    for row, frame in zip(rows.tolist(), frames, strict=True):
        data = memoryview(frame).cast("B")
        written = 0
        while written < size:  # a nearly full disk takes a part before it says so
            written += os.pwrite(descriptor, data[written:], row * size + written)


def _small_arrays(
    raw: RawScan, order: NDArray[np.int64], good: NDArray[np.bool_] | None, dose: Dose
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Everything but frames, one at a time. The object's scale follows the probe's: frames stay
    explained."""
    scale = probe_scale(raw, dose)
    yield "positions", raw.positions[order]
    yield "scan_index", raw.scan_index[order]
    yield "original_row", order
    yield "probe", (raw.probe * scale).astype(np.complex64)
    if good is not None:
        yield "mask", np.fft.ifftshift(good)
    if raw.reference is not None:
        yield "reference", (raw.reference / scale).astype(np.complex64)


def probe_scale(raw: RawScan, dose: Dose) -> float:
    """Factor that gives a probe the measured photons: sum |P|^2 = mean counts of a frame."""
    power = float((np.abs(raw.probe.astype(np.complex128)) ** 2).sum())
    return (dose.photons / power) ** 0.5


def stored_files(folder: Path) -> tuple[StoredFile, ...]:
    """Size and hash of every file of the arrays."""
    paths = sorted(path for path in (folder / ARRAYS).rglob("*") if path.is_file())
    return tuple(
        StoredFile(
            name=path.relative_to(folder).as_posix(),
            size=path.stat().st_size,
            sha256=sha256_file(path),
        )
        for path in paths
    )


def _info(
    raw: RawScan, dtype: np.dtype[Any], dose: Dose, files: tuple[StoredFile, ...]
) -> ScanInfo:
    n = raw.frames.n
    canvas = canvas_of(raw.positions, n, raw.geometry)
    light = brightest(canvas, raw.positions, raw.probe) * probe_scale(raw, dose) ** 2
    return ScanInfo(
        frames=len(raw.frames),
        n=n,
        modes=len(raw.probe),
        dtype=dtype.name,
        measurement=raw.measurement,
        photons=dose.photons,
        amplitude_max=dose.amplitude_max,
        illumination_max=light,
        canvas=canvas,
        geometry=raw.geometry,
        zero_m=raw.zero_m,
        origin=raw.origin,
        reference_is_truth=raw.reference_is_truth,
        content_id=content_key([file.model_dump(mode="json") for file in files]),
        files=files,
        measured_with=dict(raw.measured_with),
    )
