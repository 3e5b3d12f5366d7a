"""`train.npz`: a scan with its reconstructed object, as PtychoPINN takes training data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ptychopinn_batch.data.source import Frames, GeneratedFrames, RawScan
from ptychopinn_batch.data.writer import write_npz
from ptychopinn_batch.exports.result import Result


def training_scan(result: Result) -> RawScan:
    """The scan on the pixel grid of its canvas, so that positions index the object.

    Frames are amplitudes; unseen pixels of the object are 1 + 0j, because readers expect numbers.
    """
    store = result.store

    def generate(first: int, last: int) -> Frames:
        rows = torch.from_numpy(result.order[first:last])
        return np.fft.fftshift(store.amplitudes(rows).numpy(), axes=(1, 2))

    dtype = np.dtype(np.float32)
    return RawScan(
        frames=GeneratedFrames(store.info.frames, store.info.n, dtype, generate),
        measurement="amplitude",
        positions=result.positions,
        probe=result.probe,
        scan_index=store.scan_index.numpy()[result.order],
        origin=store.info.origin,
        bad_pixels=None if store.mask is None else result.bad_pixels,
        reference=result.filled,
        geometry=store.info.geometry,
        zero_m=result.zero_m,
        recorded_positions=result.recorded_positions,
    )


def write_training_npz(result: Result, path: Path) -> None:
    """Write it, frame block by frame block."""
    write_npz(training_scan(result), path)
