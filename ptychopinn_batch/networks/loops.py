"""Loops over the pixels of frames that Numba compiles: each reads and writes everything once.

Complex arrays are taken as pairs of floats, which compilers turn into vector instructions. Probes
and waves are (K, M, N, N) complex64, contiguous; corners (K, 2) as (x, y); canvases (H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]
Pairs = NDArray[np.float32]

# Not "nnan" and "ninf": a misfit that is not finite must be seen.
FAST = {"contract", "reassoc", "nsz", "arcp"}


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled when first called, once for all processes where there is a place to keep it."""
    compile_with = partial(numba.njit, nogil=True, error_model="numpy", fastmath=FAST)
    try:
        return compile_with(cache=True)(function)
    except RuntimeError:  # no folder to write to
        return compile_with()(function)


def illuminate(obj: Complex, corners: NDArray[np.int64], probes: Complex, waves: Complex) -> None:
    """waves = probe * object under the frame."""
    _illuminate(_pairs(obj), corners, _pairs(probes), _pairs(waves))


def correct(
    waves: Complex, measured: NDArray[np.float32], good: NDArray[np.float32], floor: np.float32
) -> float:
    """Turn waves on the detector into what they lack of the measured amplitudes, in place.

    good: (N, N), 0 where a pixel is not to be trusted, else 1; floor: added to the intensity.
    Returns the sum of squared differences of the amplitudes.
    """
    return float(_correct(_pairs(waves), measured, good, floor))


def bend(
    waves: Complex,
    at: Complex,
    measured: NDArray[np.float32],
    good: NDArray[np.float32],
    floor: np.float32,
) -> None:
    """Turn waves into how what `correct` makes of the waves `at` changes along them, in place."""
    _bend(_pairs(waves), _pairs(at), measured, good, floor)


def collect(canvas: Complex, corners: NDArray[np.int64], probes: Complex, waves: Complex) -> None:
    """canvas += conj(probe) * wave under every frame, over all modes."""
    _collect(_pairs(canvas), corners, _pairs(probes), _pairs(waves))


def _pairs(values: Complex) -> Pairs:
    return values.view(np.float32)


@_compiled
def _illuminate(obj: Pairs, corners: NDArray[np.int64], probes: Pairs, waves: Pairs) -> None:
    frames, modes, n, width = probes.shape
    for k in range(frames):
        x, y = 2 * corners[k, 0], corners[k, 1]
        for m in range(modes):
            for i in range(n):
                o, p, w = obj[y + i, x : x + width], probes[k, m, i], waves[k, m, i]
                for j in range(0, width, 2):
                    w[j] = o[j] * p[j] - o[j + 1] * p[j + 1]
                    w[j + 1] = o[j] * p[j + 1] + o[j + 1] * p[j]


@_compiled
def _correct(
    waves: Pairs, measured: NDArray[np.float32], good: NDArray[np.float32], floor: np.float32
) -> float:
    frames, modes, n, _ = waves.shape
    change = np.empty(n, np.float32)
    error = 0.0
    for k in range(frames):
        for i in range(n):
            change[:] = floor
            for m in range(modes):
                w = waves[k, m, i]
                for j in range(n):
                    change[j] += w[2 * j] * w[2 * j] + w[2 * j + 1] * w[2 * j + 1]
            row = 0.0
            for j in range(n):
                model = np.sqrt(change[j])
                lack = good[i, j] * (measured[k, i, j] - model)
                row += lack * lack
                change[j] = lack / model
            error += row
            for m in range(modes):
                w = waves[k, m, i]
                for j in range(n):
                    w[2 * j] *= change[j]
                    w[2 * j + 1] *= change[j]
    return error


@_compiled
def _bend(
    waves: Pairs,
    at: Pairs,
    measured: NDArray[np.float32],
    good: NDArray[np.float32],
    floor: np.float32,
) -> None:
    frames, modes, n, _ = waves.shape
    power, along = np.empty(n, np.float32), np.empty(n, np.float32)
    for k in range(frames):
        for i in range(n):
            power[:] = floor
            along[:] = 0
            for m in range(modes):
                v, w = waves[k, m, i], at[k, m, i]
                for j in range(n):
                    power[j] += w[2 * j] * w[2 * j] + w[2 * j + 1] * w[2 * j + 1]
                    along[j] += w[2 * j] * v[2 * j] + w[2 * j + 1] * v[2 * j + 1]
            for j in range(n):
                ratio = measured[k, i, j] / np.sqrt(power[j])
                along[j] *= good[i, j] * ratio / power[j]
                power[j] = good[i, j] * (ratio - 1)
            for m in range(modes):
                v, w = waves[k, m, i], at[k, m, i]
                for j in range(n):
                    v[2 * j] = power[j] * v[2 * j] - along[j] * w[2 * j]
                    v[2 * j + 1] = power[j] * v[2 * j + 1] - along[j] * w[2 * j + 1]


@_compiled
def _collect(canvas: Pairs, corners: NDArray[np.int64], probes: Pairs, waves: Pairs) -> None:
    frames, modes, n, width = probes.shape
    for k in range(frames):
        x, y = 2 * corners[k, 0], corners[k, 1]
        for m in range(modes):
            for i in range(n):
                c, p, w = canvas[y + i, x : x + width], probes[k, m, i], waves[k, m, i]
                for j in range(0, width, 2):
                    c[j] += p[j] * w[j] + p[j + 1] * w[j + 1]
                    c[j + 1] += p[j] * w[j + 1] - p[j + 1] * w[j]
