"""The order of frames in a store, and which of them a rank owns. Pure.

Frames follow a space-filling curve through their positions, so that a contiguous share of them is
a compact part of the sample and neighbours lie near each other on the disk.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 2**16  # positions, so that a large scan needs no more memory than its order
BITS = 16  # the curve visits 2^BITS x 2^BITS cells


def hilbert_order(positions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows (K,) of positions (K, 2) along a Hilbert curve through their bounding square.

    Frames in the same cell keep their order.
    """
    low = positions.min(0)
    side = float((positions.max(0) - low).max()) or 1.0
    distance = np.empty(len(positions), np.uint32)  # of 2 x BITS bits
    for start in range(0, len(positions), AT_ONCE):
        here = slice(start, start + AT_ONCE)
        cells = np.minimum((positions[here] - low) / side * 2**BITS, 2**BITS - 1).astype(np.int64)
        distance[here] = hilbert_distance(cells[:, 0], cells[:, 1])
    return np.argsort(distance, kind="stable")


def hilbert_distance(x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.int64]:
    """How far along the curve of 2^BITS cells a side each cell lies.

    From the largest square to the smallest: which quarter comes when, and how the curve is turned
    inside it (H. S. Warren, Hacker's Delight, 2nd edition, chapter 16).
    """
    distance = np.zeros_like(x)
    for half in (1 << bit for bit in reversed(range(BITS))):
        right, lower = (x & half) > 0, (y & half) > 0
        distance += half * half * ((3 * right) ^ lower)
        flip = right & ~lower
        x, y = np.where(flip, ~x, x), np.where(flip, ~y, y)
        x, y = np.where(lower, x, y), np.where(lower, y, x)
    return distance


def shards(frames: int, ranks: int) -> tuple[range, ...]:
    """Contiguous shares of the frames, one for each rank: every frame in exactly one.

    Sizes differ by one at most; with more ranks than frames some are empty.
    """
    ends = [rank * frames // ranks for rank in range(ranks + 1)]
    return tuple(range(*pair) for pair in pairwise(ends))
