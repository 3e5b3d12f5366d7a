"""Scan patterns: positions (K, 2) as (x, y) in object pixels, the smallest at the origin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Positions = NDArray[np.float64]

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def _grid(columns: int, rows: int, step: float) -> Positions:
    x, y = np.meshgrid(np.arange(columns) * step, np.arange(rows) * step)
    return np.stack([x.ravel(), y.ravel()], 1)


def jittered_grid(columns: int, rows: int, step: float, random: Generator) -> Positions:
    """A square grid, every point moved by up to 0.35 of the step."""
    grid = _grid(columns, rows, step)
    return from_origin(grid + random.uniform(-0.35, 0.35, grid.shape) * step)


def raster(columns: int, rows: int, step: float, random: Generator) -> Positions:
    """A square grid with a small shear, a vertical squeeze and stage noise."""
    grid = _grid(columns, rows, step) * [1, random.uniform(0.7, 1.0)]
    grid[:, 0] += grid[:, 1] * random.uniform(-0.1, 0.1)
    return from_origin(grid + random.normal(0, 0.05, grid.shape))


def spiral(columns: int, rows: int, step: float, random: Generator) -> Positions:
    """A Fermat spiral that fills the box of that grid (Vogel, Math. Biosci. 44, 1979)."""
    index = np.arange(int(columns * rows * np.pi / 2) + 1)
    radius, angle = 0.564 * step * np.sqrt(index), GOLDEN_ANGLE * index + random.uniform(0, 6)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    inside = (np.abs(points) <= np.array([columns, rows]) * step / 2).all(1)
    return from_origin(points[inside])


def from_origin(positions: Positions) -> Positions:
    """The same pattern with its smallest x and y at half a pixel."""
    return np.asarray(positions - positions.min(0) + 0.5)


def gapped_lines(columns: int, rows: int, step: float, random: Generator) -> Positions:
    """A fly scan: dense lines, now and then a gap where the shutter or the beam was away."""
    points = _grid(columns, rows, step) + random.normal(0, 0.05, (columns * rows, 2))
    lost = random.random(columns * rows) < random.uniform(0, 0.06)
    lost |= np.roll(lost, 1)
    kept = points[~lost]
    return from_origin(kept if len(kept) > 1 else points)


PATTERNS: dict[str, Callable[[int, int, float, Generator], Positions]] = {
    "jittered_grid": jittered_grid,
    "raster": raster,
    "spiral": spiral,
    "gapped_lines": gapped_lines,
}


def random_pattern(radius: float, most: int, random: Generator, extent: float) -> Positions:
    """Any pattern whose steps let probes of this 90 % radius overlap by 45 to 88 %.

    At most about `most` frames on at most `extent` pixels a side.
    """
    step = max(1.5, (1 - random.uniform(0.45, 0.88)) * 2 * radius)
    side = min(step * np.sqrt(random.uniform(0.5, 1) * most), extent)
    count = max(2, int(side / step) + 1)
    kind = PATTERNS[random.choice(list(PATTERNS))]
    positions = kind(count, count, step, random)
    keep = random.permutation(len(positions))[:most]
    return positions if len(positions) <= most * 1.2 else positions[keep]
