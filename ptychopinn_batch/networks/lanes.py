"""How weights of layers for groups of frames begin: every frame on a lane of channels of its own.

Neighbouring frames of most scans lie in no certain direction, so that at first they only disturb
one another. With weights at random between them a network of four frames learned several times more
slowly than one of a single frame; begun apart it does not, and finds out by itself what the
neighbours are good for.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

ALL = -1  # the lane of channels that belong to all frames


def start(layer: nn.Module) -> None:
    """He et al., ICCV 2015: signals keep their size through layers that end in a ReLU."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def lanes(channels: int, frames: int) -> Tensor:
    """The frame that each channel begins with, (channels,); `ALL` where there are too few."""
    if channels < frames:
        return torch.full((channels,), ALL)
    return torch.arange(channels) * frames // channels


def separate(layer: nn.Conv2d, before: Tensor, after: Tensor) -> None:
    """Take out the weights between different lanes, and enlarge the others accordingly."""
    same = (before == after[:, None]) | (before == ALL) | (after[:, None] == ALL)
    factor = same * same.float().mean(1, keepdim=True).rsqrt()
    with torch.no_grad():
        layer.weight *= factor[:, :, None, None]


def separate_all(layers: Iterable[nn.Module], frames: int, last: Tensor | None = None) -> None:
    """All convolutions of a sequence; `last`: lanes of its output where they are not even."""
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    before = lanes(convolutions[0].in_channels, frames)
    for layer in convolutions:
        after = lanes(layer.out_channels, frames)
        if layer is convolutions[-1] and last is not None:
            after = last
        separate(layer, before, after)
        before = after
