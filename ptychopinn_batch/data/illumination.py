"""How brightly a scan lights its canvas. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import fourier_shift

from ptychopinn_batch.canvas import Canvas

STRIP_PIXELS = 2**18  # of the canvas that are worked on at once
PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))  # of a patch, in halves of a pixel (y, x)

Light = NDArray[np.float32]


def brightest(
    canvas: Canvas, positions: NDArray[np.float64], probe: NDArray[np.complexfloating]
) -> float:
    """The brightest canvas pixel: largest sum of |P|^2 over frames and modes (M, N, N).

    Networks normalise by this number, so it belongs to the scan: regions of it must not find their
    own. Positions are rounded to half a pixel (to whole ones it may be wrong by 10 %, to halves by
    1 %).
    """
    n = probe.shape[-1]
    corner = n // 2 + np.array([canvas.x0, canvas.y0])
    halves = np.empty((len(positions), 2), np.int32)  # (y, x)
    for axis in (0, 1):
        halves[:, 1 - axis] = np.rint(2 * (positions[:, axis] - corner[axis]))
    halves = halves[np.argsort(halves[:, 0], kind="stable")]
    lights = [_moved(probe, place) for place in PLACES]
    return max(float(strip.max()) for strip in _strips(canvas, halves, lights))


def _moved(probe: NDArray[np.complexfloating], place: tuple[int, int]) -> Light:
    """Light (N, N) of all modes, moved by so many halves of a pixel."""
    shift = [part / 2 for part in place]
    modes = [np.fft.ifft2(fourier_shift(np.fft.fft2(mode), shift)) for mode in probe]
    return np.asarray((np.abs(modes) ** 2).sum(0), np.float32)


def _strips(canvas: Canvas, halves: NDArray[np.int32], lights: list[Light]) -> Iterator[Light]:
    """The canvas's light in strips of whole rows, so that memory does not grow with its area.

    A strip needs every patch that reaches into it: those that begin up to n - 1 rows above.
    """
    n = len(lights[0])
    height = min(canvas.height, max(n, STRIP_PIXELS // canvas.width))
    for top in range(0, canvas.height, height):
        above = top - n + 1
        first, end = np.searchsorted(halves[:, 0], [2 * above, 2 * (top + height)])
        near = halves[first:end] - [2 * above, 0]
        shape = (height + n - 1, canvas.width - n + 1)
        strip = np.zeros((height + 2 * (n - 1), canvas.width), np.float32)
        for place, light in zip(PLACES, lights, strict=True):
            row, column = near[(near % 2 == place).all(1)].T // 2
            patches = np.bincount(row * shape[1] + column, minlength=shape[0] * shape[1])
            strip += _convolved(patches.reshape(shape).astype(np.float32), light)
        yield strip[n - 1 : n - 1 + height]


def _convolved(one: Light, other: Light) -> Light:
    """As `scipy.signal.fftconvolve`, which takes half a second to import."""
    height, width = np.add(one.shape, other.shape) - 1
    shape = next_fast_len(height, real=True), next_fast_len(width, real=True)
    product = rfft2(one, shape) * rfft2(other, shape)
    return np.asarray(irfft2(product, shape)[:height, :width])
