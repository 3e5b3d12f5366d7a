"""How much of an object a probe lights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def lit_area(xy: NDArray[np.float64], radius: float) -> float:
    """Area of the union of discs, in pixels, on a grid of a quarter of their radius."""
    side = max(radius / 4, np.ptp(xy, axis=0).max() / 2000)
    cells = np.unique(np.floor(xy / side).astype(np.int64), axis=0)
    reach = int(np.ceil(radius / side))
    steps = np.arange(-reach, reach + 1)
    disc = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    disc = disc[(disc**2).sum(1) * side**2 <= radius**2]
    cells = cells - cells.min(0)
    width = int(cells[:, 1].max()) + 2 * reach + 1
    lit = np.zeros((int(cells[:, 0].max()) + 2 * reach + 1) * width, bool)
    for row, column in disc + reach:
        lit[(cells[:, 0] + row) * width + cells[:, 1] + column] = True
    return float(np.count_nonzero(lit)) * side**2
