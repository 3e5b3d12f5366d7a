"""Do the frames fit together as the positions say, or better with other axes or another scale?

Every placement is tested on frames that its object was made without: a wrong one explains what it
was fitted to, and predicts nothing.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ptychopinn_batch.verdict.evidence import Placements
from ptychopinn_batch.verdict.frames import floor_of
from ptychopinn_batch.verdict.limits import PREDICTS
from ptychopinn_batch.verdict.sample import Sample, residual

STEPS = 5  # of the network: enough to see which placement is best
FINE_STEPS = 12  # to see how much better a scale is: by then a sound scan is predicted well
FINE_WIDTH = 0.06  # of the logarithm of factors around the best: half of what lies between two
SCALES = (0.7, 0.8, 0.87, 0.94, 1.06, 1.15, 1.25, 1.4)
AXES = {
    "": (False, False, False),
    "swap_xy": (True, False, False),
    "flip_x": (False, True, False),
    "flip_y": (False, False, True),
    "flip_x, flip_y": (False, True, True),
    "swap_xy, flip_x": (True, True, False),
    "swap_xy, flip_y": (True, False, True),
    "swap_xy, flip_x, flip_y": (True, True, True),
}
"""Settings of a scan, and whether they exchange, negate x, and negate y after that."""

Points = NDArray[np.float64]


def placements(sample: Sample) -> Placements:
    """Predictions with all axes and scales."""
    middle = sample.positions.mean(0)
    centred = sample.positions - middle
    object_, stated = _predicted(sample, sample.positions)
    region = sample.region.subset(sample.left_out)
    axes = {
        name: stated if not name else _predicted(sample, middle + turned(centred, *how))[1]
        for name, how in AXES.items()
    }
    scales = {f"{f:g}": _predicted(sample, middle + f * centred)[1] for f in SCALES}
    empty = residual(torch.ones_like(object_), region)
    floor = floor_of(object_, region) if sample.counts else 0.0
    found = Placements(empty=empty, floor=floor, axes=axes, scales=scales)
    best = min([1.0, *SCALES], key=lambda factor: scales.get(f"{factor:g}", stated))
    if found.share(scales.get(f"{best:g}", stated)) > PREDICTS:
        return found  # with no scale are they predicted: a better factor would say nothing
    return found.model_copy(update={"fine": _fine(sample, middle, centred, best)})


def _fine(sample: Sample, middle: Points, centred: Points, best: float) -> dict[str, float]:
    """Predictions around the best factor, at the vertex of the parabola through three of them, and
    as the scan says."""
    found: dict[str, float] = {}

    def left(factor: float) -> float:
        name = f"{factor:.3f}"
        if name not in found:
            found[name] = _predicted(sample, middle + float(name) * centred, FINE_STEPS)[1]
        return found[name]

    left(1.0)
    three = tuple(left(best * math.exp(offset)) for offset in (-FINE_WIDTH, 0.0, FINE_WIDTH))
    left(best * math.exp(FINE_WIDTH * vertex(*three)))
    return found


def vertex(before: float, at: float, after: float) -> float:
    """Where in [-1, 1] the parabola through values at -1, 0 and 1 is least."""
    bend = before - 2 * at + after
    if bend <= 0:
        return -1.0 if before < after else 1.0
    return max(-1.0, min(1.0, (before - after) / (2 * bend)))


def turned(xy: Points, swap: bool, flip_x: bool, flip_y: bool) -> Points:
    """Positions first exchanged, then negated, as `scans[].swap_xy` and the others do."""
    x, y = (xy[:, 1], xy[:, 0]) if swap else (xy[:, 0], xy[:, 1])
    return np.stack([-x if flip_x else x, -y if flip_y else y], 1)


def _predicted(sample: Sample, positions: Points, steps: int = STEPS) -> tuple[torch.Tensor, float]:
    """An object without the frames left out, and what it leaves of those."""
    region = sample.placed(positions)
    found = sample.reconstructed(region.subset(~sample.left_out), steps).object
    return found, residual(found, region.subset(sample.left_out))
