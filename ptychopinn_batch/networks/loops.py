"""Loops over the pixels of frames that Numba compiles: each reads and writes everything once.

Probes and waves are (K, M, N, N) complex64, contiguous; corners (K, 2) int64 as (x, y); canvases
(H, W) complex64. Waves on the detector are N times what they are in `physics`: its transforms would
need a pass of their own for that. Every innermost loop runs over pixels one by one, whatever they
hold: only then do compilers turn it into vector instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]
Corners = NDArray[np.int64]
Real = NDArray[np.float32]
Loop = TypeVar("Loop", bound=Callable[..., Any])

# Not "nnan" and "ninf": a misfit that is not finite must be seen.
FAST = {"contract", "reassoc", "nsz", "arcp"}


def _compiled(function: Loop) -> Loop:
    """Compiled when first called, once for all processes where there is a place to keep it."""
    compile_with = partial(numba.njit, nogil=True, error_model="numpy", fastmath=FAST)
    try:
        return cast("Loop", compile_with(cache=True)(function))
    except RuntimeError:  # no folder to write to
        return cast("Loop", compile_with()(function))


@_compiled
def illuminate(obj: Complex, corners: Corners, probes: Complex, waves: Complex) -> None:
    """waves = probe * object under the frame."""
    frames, modes, n, _ = probes.shape
    for k in range(frames):
        x, y = corners[k]
        for m in range(modes):
            for i in range(n):
                o, p, w = obj[y + i, x : x + n], probes[k, m, i], waves[k, m, i]
                for j in range(n):
                    w[j] = o[j] * p[j]


@_compiled
def correct(waves: Complex, measured: Real, good: Real, floor: np.float32) -> float:
    """Turn waves on the detector into what they lack of the measured amplitudes, in place.

    good: (N, N), 0 where a pixel is not to be trusted, else 1; floor: added to the intensity.
    Returns the sum of squared differences of the amplitudes. What is left in `waves` is 1 / N of
    what they are in `physics`: scaled for the way there and for the way back.
    """
    frames, modes, n, _ = waves.shape
    scale = np.float32(1 / n**2)
    change = np.empty(n, np.float32)
    error = 0.0
    for k in range(frames):
        for i in range(n):
            change[:] = floor
            for m in range(modes):
                w = waves[k, m, i]
                for j in range(n):
                    change[j] += scale * (w[j].real * w[j].real + w[j].imag * w[j].imag)
            row = 0.0
            for j in range(n):
                model = np.sqrt(change[j])
                lack = good[i, j] * (measured[k, i, j] - model)
                row += lack * lack
                change[j] = scale * lack / model
            error += row
            for m in range(modes):
                w = waves[k, m, i]
                for j in range(n):
                    w[j] *= change[j]
    return error


@_compiled
def bend(waves: Complex, at: Complex, measured: Real, good: Real, floor: np.float32) -> None:
    """Turn waves into how what `correct` makes of the waves `at` changes along them, in place."""
    frames, modes, n, _ = waves.shape
    scale = np.float32(1 / n**2)
    power, along = np.empty(n, np.float32), np.empty(n, np.float32)
    for k in range(frames):
        for i in range(n):
            power[:] = floor
            along[:] = 0
            for m in range(modes):
                v, w = waves[k, m, i], at[k, m, i]
                for j in range(n):
                    power[j] += scale * (w[j].real * w[j].real + w[j].imag * w[j].imag)
                    along[j] += scale * (w[j].real * v[j].real + w[j].imag * v[j].imag)
            for j in range(n):
                ratio = measured[k, i, j] / np.sqrt(power[j])
                along[j] *= scale * good[i, j] * ratio / power[j]
                power[j] = scale * good[i, j] * (ratio - 1)
            for m in range(modes):
                v, w = waves[k, m, i], at[k, m, i]
                for j in range(n):
                    v[j] = power[j] * v[j] - along[j] * w[j]


@_compiled
def collect(canvas: Complex, corners: Corners, probes: Complex, waves: Complex) -> None:
    """canvas += conj(probe) * wave under every frame, over all modes."""
    frames, modes, n, _ = probes.shape
    for k in range(frames):
        x, y = corners[k]
        for m in range(modes):
            for i in range(n):
                c, p, w = canvas[y + i, x : x + n], probes[k, m, i], waves[k, m, i]
                for j in range(n):
                    c[j] += p[j].conjugate() * w[j]
