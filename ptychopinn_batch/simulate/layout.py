"""Where the frames of a simulated scan are taken, known without simulating anything."""

from __future__ import annotations

import numpy as np

from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.patterns import GOLDEN_ANGLE, Positions, from_origin

MARGIN = 4  # pixels of object around the outermost patches

POSITIONS, ERRORS, OBJECT, PROBE, PIXELS, COUNTS = range(6)  # streams of random numbers


def true_positions(settings: Simulation) -> Positions:
    """Positions (K, 2) as (x, y) in object pixels; every patch lies on the object."""
    random = np.random.default_rng((settings.seed, POSITIONS))
    if settings.pattern == "spiral":
        points = _spiral(settings.frames, settings.step)
    else:
        points = _grid(settings)
        if settings.pattern == "jittered_grid":
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


def _spiral(count: int, step: float) -> Positions:
    """A Fermat spiral from the middle outwards, a point per step^2 (Vogel, Math. Biosci. 1979)."""
    number = np.arange(count)
    radius = step * np.sqrt((number + 0.5) / np.pi)
    angle = GOLDEN_ANGLE * number
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
