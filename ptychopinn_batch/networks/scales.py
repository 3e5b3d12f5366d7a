"""An update seen at several scales, each in units of its own local size.

Low frequencies of the object hardly change the frames, so that in an update they are drowned by
the others. Averaged over larger pixels they stand out, and in units of their own size a network
sees them as well as anything else. Images are (1, C, H, W) real; complex ones have two channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-10  # squared size that counts as nothing left
BAND = 3  # channels of a band's view
COARSE = 4  # pixels, of the grid that local means are taken on


class Band(NamedTuple):
    """The update on larger pixels: (1, 2, h, w) divided by its local size (1, 1, h, w)."""

    update: Tensor
    size: Tensor

    @property
    def view(self) -> Tensor:
        """What a network sees of it: (1, BAND, h, w)."""
        return torch.cat([self.update, self.size.log10()], 1)


def upsampled(image: Tensor, factor: int) -> Tensor:
    return F.interpolate(image, scale_factor=factor, mode="bilinear")


def blurred(image: Tensor) -> Tensor:
    """Mean over a soft window of 5 pixels."""
    for _ in range(2):
        image = F.avg_pool2d(image, 3, 1, 1, count_include_pad=False)
    return image


def local_mean(image: Tensor) -> Tensor:
    """Mean over a soft window of about 17 pixels; H and W are multiples of `COARSE`."""
    return upsampled(blurred(F.avg_pool2d(image, COARSE)), COARSE)


def bands(update: Tensor, light: Tensor, count: int) -> Iterator[Band]:
    """The light-weighted means of an update over pixels of 4, 8, ... on a side, `count` of them."""
    weighted, light = F.avg_pool2d(update * light, 2), F.avg_pool2d(light, 2)
    for _ in range(count):
        weighted, light = F.avg_pool2d(weighted, 2), F.avg_pool2d(light, 2)
        mean = weighted / (light + 1e-4)
        power = blurred(light * mean.square().sum(1, keepdim=True)) / (blurred(light) + 1e-6)
        size = (power + SMALLEST).sqrt()
        yield Band(mean / size, size)
