"""Which detector pixels count next to nothing, or far too much, though no mask says so.

They are looked for twice: against their neighbours, before anything is reconstructed, for a few of
them spoil an object; and against a model, which also sees a beamstop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Sums = NDArray[np.float64]

DEAD, HOT = 0.1, 10.0  # measured over expected light of such a pixel
SIGNIFICANT = 10.0  # standard deviations of counting that it is off
LIT = 30.0  # counts over all frames, that are measured or expected there
AROUND = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))


def strange(measured: Sums, least: Sums, most: Sums) -> tuple[Mask, Mask]:
    """Dead and hot pixels (N, N), of counts summed over frames and what is expected at least and at
    most."""
    dead = (measured < DEAD * least) & (least > LIT)
    dead &= least - measured > SIGNIFICANT * np.sqrt(least + 1)
    hot = (measured > HOT * most) & (measured > LIT)
    hot &= measured - most > SIGNIFICANT * np.sqrt(most + 1)
    return dead, hot


def among_neighbours(measured: Sums) -> tuple[Mask, Mask]:
    """Dead and hot pixels by the eight around them, of which one may be strange itself."""
    around = np.sort([np.roll(measured, step, (0, 1)) for step in AROUND], axis=0)
    return strange(measured, around[1], around[-2])


def places(chosen: Mask) -> tuple[tuple[int, int], ...]:
    """(row, column) of pixels, given with DC at [0, 0], in frames with DC in the middle."""
    found = np.argwhere(np.fft.fftshift(chosen))
    return tuple((int(row), int(column)) for row, column in found)
