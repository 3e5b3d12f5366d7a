"""Patches to one object: on every canvas pixel the weighted mean of the patches that cover it.

Weights move with their patches and divide what they multiplied, so a patch counts nowhere that its
weight does not. Whole pixels of a position are an index, the fraction a bilinear interpolation of
the patch; the pixels it cannot interpolate, its first row and column, are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptychopinn_batch import physics


def moved(images: Tensor, fractions: Tensor) -> Tensor:
    """Images (K, h, w, c) moved by fractions (K, 2) of a pixel as (x, y): (K, h - 1, w - 1, c).

    Without their first row and column: pixel (0, 0) of the result lies where (1, 1) of the image
    did, and holds (1, 1) for a fraction of 0.
    """
    x, y = (fractions[:, axis, None, None, None] for axis in (0, 1))
    rows = torch.lerp(images[:, 1:], images[:, :-1], y)
    return torch.lerp(rows[:, :, 1:], rows[:, :, :-1], x)


def shares(patches: Tensor, weights: Tensor, fractions: Tensor) -> Tensor:
    """What patches (K, h, h) complex add to a canvas: (K, h - 1, h - 1, 3).

    Channels: weighted real and imaginary part, weight. The weights (K, h, h) are those of the moved
    patch already.
    """
    weights = weights[:, 1:, 1:, None]
    values = moved(torch.view_as_real(patches), fractions)
    return torch.cat([weights * values, weights], -1)


class Sum:
    """Shares added up on a canvas (H, W)."""

    def __init__(self, shape: tuple[int, int], device: torch.device) -> None:
        self.shape = shape
        self.total = torch.zeros(shape[0] * shape[1], 3, device=device)

    def add(self, shares: Tensor, corners: Tensor) -> None:
        """Add shares (K, h - 1, h - 1, 3) of patches whose corners (K, 2) as (x, y) are these."""
        index = physics.patch_index(corners + 1, shares.shape[1], self.shape[1])
        self.total.index_add_(0, index, shares.flatten(0, 2))

    def mean(self, least: float) -> tuple[Tensor, Tensor]:
        """The object (H, W) complex64, 1 where the weight is `least` or below, and the weight."""
        values, weight = self.total[:, :2], self.total[:, 2:]
        blank = values.new_tensor([1.0, 0.0])
        mean = torch.where(weight > least, values / weight.clamp(min=least), blank)
        return torch.view_as_complex(mean).view(self.shape), weight.view(self.shape)
