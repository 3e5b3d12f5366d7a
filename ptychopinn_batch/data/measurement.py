"""Whether the numbers in frames are counts or their square roots. Pure.

PtychoPINN's files do not say it: its own hold amplitudes, those of Ptychodus raw counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.data.source import Measurement

ENOUGH = 1000  # lit pixels that are looked at
BRIGHT = 1e5  # counts whose roots in float32 cannot be told from those of their neighbours
LARGEST_AMPLITUDE = 1e3  # a pixel of a million counts: beyond, numbers are not taken for amplitudes


def lit_values(chunks: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
    """The first `ENOUGH` positive numbers, or all there are."""
    found, count = [np.zeros(0)], 0
    for chunk in chunks:
        values = chunk[np.isfinite(chunk) & (chunk > 0)].astype(np.float64)
        found.append(values)
        count += len(values)
        if count >= ENOUGH:
            break
    return np.concatenate(found)[:ENOUGH]


def guess(lit: NDArray[np.float64]) -> Measurement | None:
    """What these positive numbers are; None if they could be either.

    Whole numbers are counts, numbers whose squares are whole are amplitudes. Of other fractions
    those of an amplitude's size are amplitudes: that is what PtychoPINN's contract says.
    """
    if _whole(lit, 1e-3):
        return "counts"
    squares = lit[lit < BRIGHT**0.5] ** 2
    if len(squares) and _whole(squares, 2e-2):
        return "amplitude"
    return "amplitude" if lit.max() <= LARGEST_AMPLITUDE else None


def _whole(values: NDArray[np.float64], tolerance: float) -> bool:
    return bool((np.abs(values - np.rint(values)) < tolerance + 1e-6 * values).all())
