"""How well an object explains the frames of a scan, in one pass over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.metrics import NOISE_STEP, Residuals, noise_table

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore

WHOLE = 1e-2, 4e-7  # counts and relative: how near float32 amplitudes of counts come to them
LOOKED_AT = 64  # frames, to find out whether a scan holds counts


@dataclass(frozen=True)
class _Frames:
    """A block of frames on the device: corners, fractions, and trusted amplitudes (k, N, N)."""

    corners: Tensor
    fractions: Tensor
    amplitudes: Tensor


@torch.inference_mode()
def residuals(
    store: ScanStore,
    obj: NDArray[np.complex64],
    canvas: Canvas,
    *,
    device: torch.device | None = None,
    beat: Callable[[int, int], None] = lambda done, total: None,
) -> Residuals:
    """Residuals of an object (H, W) on its canvas; every pixel must be finite.

    Memory is bounded by the object and a block of frames, however many there are.
    """
    device = device or torch.device("cpu")
    canvas_object, probe = torch.from_numpy(obj).to(device), store.probe.to(device)
    blank = physics.intensity(physics.fft(probe)[None]).sqrt()
    table = torch.from_numpy(noise_table()).float().to(device)
    sums = torch.zeros(4, dtype=torch.float64)
    done = 0
    for frames in _blocks(store, canvas, device):
        probes = physics.shifted(probe, frames.fractions)
        waves = physics.exit_to_detector(canvas_object, frames.corners, probes)
        model = _trusted(physics.intensity(waves).sqrt(), store)
        expected = table[(model / NOISE_STEP).round().long().clamp(0, len(table) - 1)]
        parts = (
            (model - frames.amplitudes).square(),
            (_trusted(blank, store) - frames.amplitudes).square(),
            _trusted(expected, store),
            frames.amplitudes.square(),
        )
        sums += torch.stack([part.sum(dtype=torch.float64) for part in parts]).cpu()
        done += len(frames.corners)
        beat(done, store.info.frames)
    fitted, empty, noise = (sums[:3] / sums[3]).tolist()
    return Residuals(fitted=fitted, empty=empty, noise=noise if holds_counts(store) else None)


def holds_counts(store: ScanStore) -> bool:
    """Whether squared amplitudes are whole numbers, so that their noise is known."""
    rows = torch.linspace(0, store.info.frames - 1, min(LOOKED_AT, store.info.frames)).long()
    counts = store.amplitudes(rows).double().square()
    allowed = (counts * WHOLE[1]).clamp(min=WHOLE[0])
    return bool(((counts - counts.round()).abs() < allowed).all())


def _blocks(store: ScanStore, canvas: Canvas, device: torch.device) -> Iterator[_Frames]:
    n, modes = store.info.n, store.info.modes
    size = max(1, physics.CHUNK_PIXELS // (n * n * modes))
    for rows in torch.split(torch.arange(store.info.frames), size):
        corners, fractions = canvas.corners(store.positions[rows].numpy(), n)
        yield _Frames(
            torch.from_numpy(corners).to(device),
            torch.from_numpy(fractions).to(device),
            store.amplitudes(rows).to(device),
        )


def _trusted(values: Tensor, store: ScanStore) -> Tensor:
    """Detector values (..., N, N) with bad pixels set to zero."""
    return values if store.mask is None else values * store.mask.to(values.device)
