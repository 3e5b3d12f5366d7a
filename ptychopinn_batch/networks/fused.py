"""The back projection on a CPU as fused loops over frames, compiled by Numba where it is installed.

Every thread takes its share of the frames in chunks that stay in its core's own cache: it reads the
object under them, transforms, corrects the waves in one pass, transforms back and adds to a canvas
of its own. Nothing is differentiated, and no thread waits for another between frames.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.region import Region

CHUNK_PIXELS = 2**15  # frame pixels of a chunk: waves, probes and amplitudes fill half of 1 MiB


class Frames(NamedTuple):
    """Consecutive frames of a region."""

    first: int
    end: int


def serves(obj: Tensor) -> bool:
    """Whether an object can be worked on here: on a CPU, with Numba."""
    return obj.device.type == "cpu" and compiled() is not None


@cache
def compiled() -> ModuleType | None:
    """The compiled loops, or None without Numba."""
    try:
        from ptychopinn_batch.networks import loops
    except ImportError:
        return None
    return loops


def back_projection(obj: Tensor, region: Region, floor: float) -> tuple[Tensor, Tensor]:
    """Back projection (H, W) complex64 and the sum of squared amplitude differences."""
    shares = _shares(len(region), torch.get_num_threads())
    work = _Work(obj.detach().contiguous(), region, floor)
    with ThreadPoolExecutor(len(shares), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        done = list(pool.map(work.share, shares))
    total, error = done[0]
    for other, more in done[1:]:
        total += other
        error += more
    return torch.from_numpy(total), torch.tensor(error, dtype=torch.float32)


def _shares(frames: int, threads: int) -> list[Frames]:
    """Runs of frames, as equal as can be, one for each thread."""
    ends = np.linspace(0, frames, max(1, min(threads, frames)) + 1).astype(int).tolist()
    return [Frames(*pair) for pair in pairwise(ends)]


class _Work:
    """What the threads share and do not change."""

    def __init__(self, obj: Tensor, region: Region, floor: float) -> None:
        self._object, self._region, self._floor = obj.numpy(), region, np.float32(floor**2)
        self._corners = region.corners.numpy()
        self._good = _as_weights(region)
        self._size = max(1, CHUNK_PIXELS // (region.n**2 * region.modes))
        self._loops = _loops()
        region.keep_probes()  # by one thread, before the others ask for them

    @torch.inference_mode()
    def share(self, frames: Frames) -> tuple[NDArray[np.complex64], float]:
        """The back projection of some frames, and their error."""
        total, error = np.zeros(self._object.shape, np.complex64), 0.0
        for first in range(frames.first, frames.end, self._size):
            error += self._add(slice(first, min(first + self._size, frames.end)), total)
        return total, error

    def _add(self, chunk: slice, total: NDArray[np.complex64]) -> float:
        loops, corners, probes = self._loops, self._corners[chunk], self._region.probes_of(chunk)
        waves = torch.empty_like(probes)
        loops.illuminate(self._object, corners, probes.numpy(), waves.numpy())
        waves = physics.fft(waves)
        measured = self._region.amplitudes[chunk].numpy()
        error = loops.correct(waves.numpy(), measured, self._good, self._floor)
        loops.collect(total, corners, probes.numpy(), physics.ifft(waves).numpy())
        return float(error)


def _as_weights(region: Region) -> NDArray[np.float32]:
    """1 for every detector pixel (N, N) to trust, else 0."""
    good = torch.ones(region.n, region.n) if region.good is None else region.good.float()
    return good.numpy()


def _loops() -> ModuleType:
    found = compiled()
    if found is None:
        raise RuntimeError("ask `serves` first")
    return found
