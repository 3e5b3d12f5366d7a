"""Where the frames of a simulated scan are taken, known without simulating anything."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.patterns import GOLDEN_ANGLE, Positions, from_origin

MARGIN = 4  # pixels of object around the outermost patches

POSITIONS, ERRORS, OBJECT, PROBE, PIXELS, COUNTS = range(6)  # streams of random numbers

DENSITY = 1.4  # of `lines`: frames are so much nearer along them, and lines so much further apart
GAP = 0.15  # share of a line that is missing


def true_positions(settings: Simulation) -> Positions:
    """Positions (K, 2) as (x, y) in object pixels; every patch lies on the object."""
    random = np.random.default_rng((settings.seed, POSITIONS))
    match settings.pattern:
        case "spiral":
            points = _spiral(settings.frames, settings.step)
        case "lines":
            points = _lines(settings, random)
        case "raster":
            points = _grid(settings)
        case "jittered_grid":
            points = _grid(settings)
            points = points + random.uniform(-0.35, 0.35, points.shape) * settings.step
    return from_origin(points) + settings.frame_size // 2 + MARGIN


def recorded_positions(settings: Simulation) -> Positions:
    """What the scan's file says: the true positions plus `position_error`."""
    random = np.random.default_rng((settings.seed, ERRORS))
    positions = true_positions(settings)
    return positions + random.normal(0, 1, positions.shape) * settings.position_error / 2**0.5


def object_shape(settings: Simulation) -> tuple[int, int]:
    """Rows and columns of the object that holds every patch."""
    x, y = np.ceil(true_positions(settings).max(0)).astype(int) + settings.frame_size // 2 + MARGIN
    return int(y), int(x)


def _grid(settings: Simulation) -> Positions:
    """Row by row, so many columns that the grid is about square unless the spec says."""
    columns = settings.columns or int(np.ceil(settings.frames**0.5))
    number = np.arange(settings.frames)
    return np.stack([number % columns, number // columns], 1).astype(np.float64) * settings.step


def _lines(settings: Simulation, random: Generator) -> Positions:
    """A fly scan: `columns` places in a line, of which one run is missing, somewhere else in each.

    About as many frames per area as in a grid of that step.
    """
    across = settings.step * DENSITY
    columns = settings.columns or int(np.ceil(DENSITY * (settings.frames / (1 - GAP)) ** 0.5))
    lost = round(GAP * columns)
    lines = -(-settings.frames // (columns - lost))
    kept = np.ones((lines, columns), dtype=np.bool_)
    for line, start in enumerate(random.integers(columns - lost + 1, size=lines)):
        kept[line, start : start + lost] = False
    row, column = np.nonzero(kept)
    points = np.stack([column * settings.step / DENSITY, row * across], 1)
    return np.asarray(points[: settings.frames])


def _spiral(count: int, step: float) -> Positions:
    """A Fermat spiral from the middle outwards, a point per step^2 (Vogel, Math. Biosci. 1979)."""
    number = np.arange(count)
    radius = step * np.sqrt((number + 0.5) / np.pi)
    angle = GOLDEN_ANGLE * number
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
