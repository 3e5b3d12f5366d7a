"""Fourier transforms of the waves of some frames on a CPU: by FFTW where it is installed, or torch.

FFTW finds its fastest way by trying, and then differs from process to process in the last bits,
which a resumed training must not. Its way without trying is the faster one for `SIDES` only.
"""

from __future__ import annotations

from functools import cache, partial
from types import ModuleType
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

SIDES = (16, 32, 64, 128)  # of frames; in larger ones, lines of a column share places in a cache

Shape = tuple[int, int, int, int]


class Waves(Protocol):
    """Waves of K frames in M modes, one thread's own; neither transform scales them.

    array: (K, M, N, N) complex64, contiguous, another one after a transform.
    """

    array: NDArray[np.complex64]

    def to_detector(self) -> None:
        """From the sample to the detector: N times as large as in `physics`."""

    def to_sample(self) -> None:
        """Back: again N times as large."""


def waves(shape: Shape) -> Waves:
    """Room for waves, and the fastest way to transform them."""
    found = fftw()
    if found is not None and shape[-1] in SIDES:
        return _ByFftw(shape, found)
    return _ByTorch(shape)


@cache
def fftw() -> ModuleType | None:
    """pyfftw, or None where it is not installed."""
    try:
        import pyfftw
    except ImportError:
        return None
    return pyfftw


class _ByFftw:
    def __init__(self, shape: Shape, pyfftw: ModuleType) -> None:
        self.array = pyfftw.zeros_aligned(shape, np.complex64)
        in_place = partial(pyfftw.FFTW, self.array, self.array, (2, 3), flags=("FFTW_ESTIMATE",))
        self.to_detector = in_place("FFTW_FORWARD").execute
        self.to_sample = in_place("FFTW_BACKWARD").execute


class _ByTorch:
    def __init__(self, shape: Shape) -> None:
        self.array = np.zeros(shape, np.complex64)

    def to_detector(self) -> None:
        self.array = torch.fft.fft2(torch.from_numpy(self.array), norm="backward").numpy()

    def to_sample(self) -> None:
        self.array = torch.fft.ifft2(torch.from_numpy(self.array), norm="forward").numpy()
