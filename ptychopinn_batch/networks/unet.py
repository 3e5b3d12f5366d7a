"""A U-Net on a canvas that also sees, and corrects, the update at each of its coarser scales.

It works on half the resolution: every 2 x 2 pixels become channels first (space to depth) and are
taken apart at the end. All of its heads start at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ptychopinn_batch.networks.scales import BAND, Band, upsampled

STEM = 2  # side of the squares of pixels that become channels
TOP_RATE = 8.0  # of the coarse heads' outputs: low frequencies want long steps
LONGEST = 0.5  # of a coarse correction, relative to the object, in one step


class Answer(NamedTuple):
    """fine: (1, outputs, H, W); coarse: (1, 2, H, W), all scales; hidden: half of H and W."""

    fine: Tensor
    coarse: Tensor
    hidden: Tensor


def _convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.GELU(),
    )


def _silent(inputs: int, outputs: int) -> nn.Conv2d:
    """A head that gives zeros until it is trained."""
    head = nn.Conv2d(inputs, outputs, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    return head


class UNet(nn.Module):
    """Ronneberger et al., MICCAI 2015, with average pooling and bilinear upsampling.

    `width` channels at half resolution, twice as many at the `depth - 1` coarser ones.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, *, width: int, depth: int) -> None:
        super().__init__()
        widths = [width] + [2 * width] * (depth - 1)
        befores = [STEM**2 * inputs + hidden, *(w + BAND for w in widths[:-1])]
        self.down = nn.ModuleList(map(_convolutions, befores, widths))
        self.up = nn.ModuleList(
            _convolutions(widths[i + 1] + widths[i], widths[i]) for i in reversed(range(depth - 1))
        )
        self.tops = nn.ModuleList(_silent(w, 2) for w in reversed(widths[1:]))
        self.head = _silent(width, STEM**2 * outputs + hidden)
        self.outputs = STEM**2 * outputs
        # A fifth faster on a CPU. The stubs of torch lack this form of `to`.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def stride(self) -> int:
        """Side of a pixel of the coarsest scale: images have multiples of it as sides."""
        return int(STEM * 2 ** len(self.up))

    def forward(self, image: Tensor, hidden: Tensor, bands: Sequence[Band]) -> Answer:
        """(1, inputs, H, W), hidden at half of it, and the bands from fine to coarse."""
        image, hidden = (x.to(memory_format=torch.channels_last) for x in (image, hidden))
        x = self.down[0](torch.cat([F.pixel_unshuffle(image, STEM), hidden], 1))
        skips = []
        for stage, band in zip(self.down[1:], bands, strict=True):
            skips.append(x)
            x = stage(torch.cat([F.avg_pool2d(x, 2), band.view], 1))
        coarse = x.new_zeros(1, 2, *x.shape[-2:])
        for stage, top, band in zip(self.up, self.tops, reversed(bands), strict=True):
            coarse = coarse + LONGEST * torch.tanh(TOP_RATE * band.size * top(x).float())
            coarse, x = upsampled(coarse, 2), upsampled(x, 2)
            x = stage(torch.cat([x, skips.pop()], 1))
        y = self.head(x).float()
        fine, hidden = y[:, : self.outputs], y[:, self.outputs :]
        return Answer(F.pixel_shuffle(fine, STEM), upsampled(coarse, STEM), hidden)
