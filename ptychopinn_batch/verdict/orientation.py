"""Do the frames fit together as the positions say, or better with other axes or another scale?

Every placement is tested on frames that its object was made without: a wrong one explains what it
was fitted to, and predicts nothing.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ptychopinn_batch.verdict.evidence import Placements
from ptychopinn_batch.verdict.frames import floor_of
from ptychopinn_batch.verdict.sample import Sample, residual

STEPS = 5  # of the network: enough to see which placement is best
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
    blank = torch.ones_like(object_)
    floor = floor_of(object_, region) if sample.counts else 0.0
    return Placements(empty=residual(blank, region), floor=floor, axes=axes, scales=scales)


def turned(xy: Points, swap: bool, flip_x: bool, flip_y: bool) -> Points:
    """Positions first exchanged, then negated, as `scans[].swap_xy` and the others do."""
    x, y = (xy[:, 1], xy[:, 0]) if swap else (xy[:, 0], xy[:, 1])
    return np.stack([-x if flip_x else x, -y if flip_y else y], 1)


def _predicted(sample: Sample, positions: Points) -> tuple[torch.Tensor, float]:
    """An object without the frames left out, and what it leaves of those."""
    region = sample.placed(positions)
    found = sample.reconstructed(region.subset(~sample.left_out), STEPS).object
    return found, residual(found, region.subset(sample.left_out))
