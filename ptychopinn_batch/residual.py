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

Look = Callable[[Tensor, Tensor], None]

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
    look: Look = lambda model, measured: None,
) -> Residuals:
    """Residuals of an object (H, W) on its canvas; every pixel must be finite.

    Memory is bounded by the object and a block of frames, however many there are. `look` is shown
    each block, modelled and measured amplitudes (k, N, N), in the order of the store.
    """
    device = device or torch.device("cpu")
    sums = _Sums(store, torch.from_numpy(obj).to(device), look)
    total, done = torch.zeros(4, dtype=torch.float64), 0
    for frames in _blocks(store, canvas, device):
        total += sums.over(frames)
        done += len(frames.corners)
        beat(done, store.info.frames)
    fitted, empty, noise = (total[:3] / total[3]).tolist()
    return Residuals(fitted=fitted, empty=empty, noise=noise if holds_counts(store) else None)


class _Sums:
    """Sums over frames of one scan, of one object on its device."""

    def __init__(self, store: ScanStore, obj: Tensor, look: Look) -> None:
        self.obj, self.probe, self.look = obj, store.probe.to(obj.device), look
        self.good = None if store.mask is None else store.mask.to(obj.device)
        blank = physics.intensity(physics.fft(self.probe)[None]).sqrt()
        self.blank = self._trusted(blank)  # the same for all frames: only its phase is shifted
        self.noise = torch.from_numpy(noise_table()).float().to(obj.device)

    def over(self, frames: _Frames) -> Tensor:
        """(4,) float64: squared residual of the object and of an empty one, noise, energy."""
        probes = physics.shifted(self.probe, frames.fractions)
        waves = physics.exit_to_detector(self.obj, frames.corners, probes)
        model = self._trusted(physics.intensity(waves).sqrt())
        self.look(model, frames.amplitudes)
        parts = (
            (model - frames.amplitudes).square(),
            (self.blank - frames.amplitudes).square(),
            self._trusted(self._expected_noise(model)),
            frames.amplitudes.square(),
        )
        return torch.stack([part.sum(dtype=torch.float64) for part in parts]).cpu()

    def _expected_noise(self, model: Tensor) -> Tensor:
        index = (model / NOISE_STEP).round().long()
        return self.noise[index.clamp(0, len(self.noise) - 1)]

    def _trusted(self, values: Tensor) -> Tensor:
        """Detector values (..., N, N) with bad pixels set to zero."""
        return values if self.good is None else values * self.good


def holds_counts(store: ScanStore) -> bool:
    """Whether squared amplitudes are whole numbers, so that their noise is known."""
    rows = torch.linspace(0, store.info.frames - 1, min(LOOKED_AT, store.info.frames)).long()
    counts = store.amplitudes(rows).double().square()
    allowed = (counts * WHOLE[1]).clamp(min=WHOLE[0])
    return bool(((counts - counts.round()).abs() < allowed).all())


def _blocks(store: ScanStore, canvas: Canvas, device: torch.device) -> Iterator[_Frames]:
    n, modes = store.info.n, store.info.modes
    size = physics.chunk_of(n, modes, device)
    for rows in torch.split(torch.arange(store.info.frames), size):
        corners, fractions = canvas.corners(store.positions[rows].numpy(), n)
        yield _Frames(
            torch.from_numpy(corners).to(device),
            torch.from_numpy(fractions).to(device),
            store.amplitudes(rows).to(device),
        )
