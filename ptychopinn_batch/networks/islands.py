"""Groups of frames as islands: each on a canvas of its own, as PtychoPINN's training sees them.

A region whose frames are gathered by group, every group apart from all others, so that only its own
patches are merged before they are compared with its frames. It is used like any other region.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.region import Region


@dataclass(frozen=True, kw_only=True)
class Islands(Region):
    """Frames of one group after the other; `group`: how many each has."""

    group: int

    @property
    def groups(self) -> Tensor:
        """Rows (G, group) of the frames of each island."""
        return torch.arange(len(self), device=self.corners.device).view(-1, self.group)


def islands(region: Region, groups: Tensor) -> Islands:
    """The frames of a region as islands, one below the other, for groups (G, C) of its rows.

    A frame is on as many islands as it has groups. The light that pixels are measured by is that
    of the probe alone.
    """
    rows = groups.flatten()
    corners = region.corners[groups]
    top_left = corners.amin(1, keepdim=True)
    side = int((corners - top_left).max()) + region.n + 1
    number = torch.arange(len(groups), device=groups.device)
    offset = torch.stack([torch.zeros_like(number), number * side], 1)[:, None]
    truth = region.truth
    return Islands(
        corners=(corners - top_left + offset).flatten(0, 1),
        fractions=region.fractions[rows],
        probe=region.probe,
        amplitudes=region.amplitudes[rows],
        shape=(len(groups) * side, side),
        scale=replace(region.scale, illumination=float(physics.abs2(region.probe).sum(0).max())),
        good=region.good,
        truth=None if truth is None else _cut(truth, top_left[:, 0], side),
        group=groups.shape[1],
    )


def _cut(truth: Tensor, corners: Tensor, side: int) -> Tensor:
    """Squares of an object with these corners (G, 2), one below the other; NaN beyond its edge."""
    height, width = truth.shape
    whole = truth.new_full((height + side, width + side), complex(float("nan"), float("nan")))
    whole[:height, :width] = truth
    return physics.patches(whole, corners, side).flatten(0, 1)
