"""Fourier ring correlation: up to which spatial frequency two objects say the same. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HALF = 0.5  # the correlation at which resolution is read off


class RingCorrelation(NamedTuple):
    """frequency: (rings,) in units of the Nyquist frequency, ascending up to 1; value: (rings,)."""

    frequency: NDArray[np.float64]
    value: NDArray[np.float64]

    @property
    def limit(self) -> float:
        """The frequency where the correlation first falls below one half; 1 if it never does."""
        below = np.flatnonzero(~(self.value >= HALF))
        if not len(below):
            return 1.0
        ring = int(below[0])
        if ring == 0 or not np.isfinite(self.value[ring]):
            return float(self.frequency[max(ring - 1, 0)]) if ring else 0.0
        (f0, f1), (v0, v1) = self.frequency[ring - 1 : ring + 1], self.value[ring - 1 : ring + 1]
        return float(f0 + (f1 - f0) * (v0 - HALF) / (v0 - v1))

    @property
    def mean(self) -> float:
        """Mean over all rings, each of equal weight."""
        return float(np.nan_to_num(self.value).mean())


def hann_window(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A Hann window (H, W): 1 in the middle, 0 at the edges."""
    from skimage.filters import window

    taper = window("hann", shape)  # type: ignore[no-untyped-call]
    return np.asarray(taper, dtype=np.float64)


def ring_correlation(
    one: NDArray[np.complexfloating[Any, Any]], other: NDArray[np.complexfloating[Any, Any]]
) -> RingCorrelation:
    """Fourier ring correlation of two complex images (H, W) in one gauge, without their means.

    The real part of sum F1 F2* over a ring of one frequency step, divided by the root of the
    product of both powers (van Heel, Ultramicroscopy 21, 1987; Saxton and Baumeister, J. Microsc.
    127, 1982). A Hann window keeps the images' edges out of it. A ring without power is NaN.
    """
    taper = hann_window(one.shape)
    spectra = [
        np.fft.fft2(taper * (image - np.average(image, weights=taper))) for image in (one, other)
    ]
    step = 1 / min(one.shape)
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, one.shape), indexing="ij"))
    ring = np.rint(frequency / step).astype(np.int64).ravel()
    rings = min(one.shape) // 2 + 1

    def summed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(ring, weights=values.ravel(), minlength=rings)
        return sums[1:rings].astype(np.float64)

    common = summed((spectra[0] * spectra[1].conj()).real)
    power = summed(np.abs(spectra[0]) ** 2) * summed(np.abs(spectra[1]) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = common / np.sqrt(power)
    return RingCorrelation(np.arange(1, rings) * step / 0.5, value)
