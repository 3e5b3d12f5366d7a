"""The back projection on a CPU as fused loops over frames, compiled by Numba where it is installed.

Every thread takes its share of the frames in chunks that stay in its core's own cache: it reads the
object under them, transforms, corrects the waves in one pass, transforms back and adds to a canvas
of its own. No thread waits for another between frames, and nothing is kept for a gradient but the
object: what a frame asks of its wave is a gradient itself, so that its derivative is symmetric and
the derivative of a back projection is one more back projection, along another object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import groupby, pairwise
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from ptychopinn_batch.networks import transforms
from ptychopinn_batch.networks.transforms import Waves
from ptychopinn_batch.region import Region

CHUNK_PIXELS = 2**16  # frame pixels of a chunk: waves fill half of 1 MiB, calls cost little


class Frames(NamedTuple):
    """Consecutive frames of a region."""

    first: int
    end: int


@cache
def compiled() -> ModuleType | None:
    """The compiled loops, or None without Numba."""
    try:
        from ptychopinn_batch.networks import loops
    except ImportError:
        return None
    return loops


def serves(region: Region) -> bool:
    """Whether a region can be worked on here: on a CPU, with Numba, its probe as it is."""
    probe = region.probe
    return probe.device.type == "cpu" and not probe.requires_grad and compiled() is not None


def back_projection(obj: Tensor, region: Region, floor: float) -> tuple[Tensor, Tensor]:
    """Back projection (H, W) complex64 and the sum of squared amplitude differences.

    Can be differentiated once by the object.
    """
    total, error = _BackProjection.apply(obj, region, floor)  # type: ignore[no-untyped-call]
    return total, error


class _BackProjection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, obj: Tensor, region: Region, floor: float) -> tuple[Tensor, Tensor]:
        total, error = _Work(region, floor, obj).sum()
        ctx.save_for_backward(obj, total)
        ctx.region, ctx.floor = region, floor
        ctx.set_materialize_grads(False)
        return total, torch.tensor(error, dtype=torch.float32)

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, by_total: Tensor | None, by_error: Tensor | None
    ) -> tuple[Tensor, None, None]:
        """Without all frames again where only the error counts, as it does of the last step."""
        obj, total = ctx.saved_tensors
        slope = torch.zeros_like(obj)
        if by_total is not None:
            slope += _Work(ctx.region, ctx.floor, obj, along=by_total).sum()[0]
        if by_error is not None:
            slope -= 2 * by_error * total
        return slope, None, None


class _Work:
    """What the threads share and do not change: back projections of an object, or the derivative
    of them along another one."""

    def __init__(
        self, region: Region, floor: float, obj: Tensor, *, along: Tensor | None = None
    ) -> None:
        self._region, self._floor = region, np.float32(floor**2)
        self._object = _array(obj)
        self._along = None if along is None else _array(along)
        self._corners = region.corners.numpy()
        self._good = _as_weights(region)
        self._size = max(1, CHUNK_PIXELS // (region.n**2 * region.modes))
        self._loops = _loops()
        # By one thread, before the others ask for them.
        region.keep_probes()
        transforms.fftw()

    def sum(self) -> tuple[Tensor, float]:
        """Over all frames: (H, W) complex64 and the error."""
        shares = _shares(len(self._region), torch.get_num_threads())
        done = map(self._share, shares) if len(shares) == 1 else _in_threads(self._share, shares)
        total, error = next(done)
        for other, more in done:
            total += other
            error += more
        return torch.from_numpy(total), error

    @torch.inference_mode()
    def _share(self, frames: Frames) -> tuple[NDArray[np.complex64], float]:
        total, error = np.zeros(self._object.shape, np.complex64), 0.0
        for count, chunks in groupby(_chunks(frames, self._size), _count):
            at = self._room(count)
            changed = at if self._along is None else self._room(count)
            error += sum(self._add(chunk, total, at, changed) for chunk in chunks)
        return total, error

    def _room(self, frames: int) -> Waves:
        n = self._region.n
        return transforms.waves((frames, self._region.modes, n, n))

    def _add(self, chunk: slice, total: NDArray[np.complex64], at: Waves, changed: Waves) -> float:
        """Add some frames to the total; their error. `changed`: `at` itself, unless along another
        object."""
        corners, probes = self._corners[chunk], self._region.probes_of(chunk).numpy()
        measured, error = self._region.amplitudes[chunk].numpy(), 0.0
        self._illuminate(at, self._object, corners, probes)
        if self._along is None:
            error = self._loops.correct(at.array, measured, self._good, self._floor)
        else:
            self._illuminate(changed, self._along, corners, probes)
            self._loops.bend(changed.array, at.array, measured, self._good, self._floor)
        changed.to_sample()
        self._loops.collect(total, corners, probes, changed.array)
        return float(error)

    def _illuminate(
        self,
        waves: Waves,
        obj: NDArray[np.complex64],
        corners: NDArray[np.int64],
        probes: NDArray[np.complex64],
    ) -> None:
        """Waves on the detector, N times too large: the loops scale them in passing."""
        self._loops.illuminate(obj, corners, probes, waves.array)
        waves.to_detector()


def _chunks(frames: Frames, size: int) -> Iterator[slice]:
    """All of the same size, but for the last one."""
    for first in range(frames.first, frames.end, size):
        yield slice(first, min(first + size, frames.end))


def _count(chunk: slice) -> int:
    return int(chunk.stop - chunk.start)


def _in_threads(
    work: Callable[[Frames], tuple[NDArray[np.complex64], float]], shares: Sequence[Frames]
) -> Iterator[tuple[NDArray[np.complex64], float]]:
    """Each share in a thread of its own, in which torch uses no others."""
    usual = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(len(shares), "frames", torch.set_num_threads, (1,)) as pool:
            yield from pool.map(work, shares)
    finally:
        torch.set_num_threads(usual)  # what a thread sets holds for threads that begin later, too


def _shares(frames: int, threads: int) -> list[Frames]:
    """Runs of frames, as equal as can be, one for each thread."""
    ends = np.linspace(0, frames, max(1, min(threads, frames)) + 1).astype(int).tolist()
    return [Frames(*pair) for pair in pairwise(ends)]


def _array(obj: Tensor) -> NDArray[np.complex64]:
    return obj.detach().resolve_conj().contiguous().numpy()


def _as_weights(region: Region) -> NDArray[np.float32]:
    """1 for every detector pixel (N, N) to trust, else 0."""
    good = torch.ones(region.n, region.n) if region.good is None else region.good.float()
    return good.numpy()


def _loops() -> ModuleType:
    found = compiled()
    if found is None:
        raise RuntimeError("ask `serves` first")
    return found
