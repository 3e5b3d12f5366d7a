"""Which frames are seen together: every frame with its nearest neighbours, as an index table.

A table of indices, never copies of frames. Distances are compared as whole numbers and ties are
settled by direction, so a frame has the same group in every tile that holds its neighbourhood.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

FINENESS = 4096  # steps of a pixel that positions are compared in
SPARE = 12  # neighbours looked at beyond those wanted: more than there are ties on a regular grid


def neighbour_groups(
    corners: NDArray[np.int64], fractions: NDArray[np.float32], size: int
) -> NDArray[np.int64]:
    """Rows (K, size) of the frames of each group: the frame itself, then its nearest neighbours.

    corners (K, 2) are whole pixels, fractions (K, 2) the rest, both (x, y). Of equally near frames
    the upper ones come first, then those to the left, then the earlier ones. Fewer frames than a
    group holds are repeated in it.
    """
    count = len(corners)
    itself = np.arange(count)[:, None]
    if size == 1 or count == 0:
        return np.broadcast_to(itself, (count, size))
    points = corners * FINENESS + np.rint(fractions * FINENESS).astype(np.int64)
    near = _nearest(points, min(count, size + SPARE))
    away = points[near] - points[:, None]
    distance = (away**2).sum(2)
    order = np.lexsort((near, away[..., 0], away[..., 1], distance, near == itself))
    members = np.concatenate([itself, np.take_along_axis(near, order, 1)[:, : size - 1]], 1)
    return members[:, np.arange(size) % min(size, count)]


def _nearest(points: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The nearest `count` points (K, count) of each in no certain order; itself is mostly one."""
    found = cKDTree(points).query(points, k=np.arange(1, count + 1))[1]
    return np.asarray(found, dtype=np.int64)
