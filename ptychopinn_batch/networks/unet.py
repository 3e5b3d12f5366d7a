"""A small U-Net on images of any size; its head starts at zero."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _convolutions(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.GELU(),
    )


class UNet(nn.Module):
    """Ronneberger et al., MICCAI 2015, with average pooling and bilinear upsampling.

    `width` channels at full resolution, twice as many at the `depth - 1` coarser ones.
    """

    def __init__(self, inputs: int, outputs: int, *, width: int, depth: int) -> None:
        super().__init__()
        widths = [width] + [2 * width] * (depth - 1)
        befores = [inputs, *widths[:-1]]
        self.down = nn.ModuleList(map(_convolutions, befores, widths))
        self.up = nn.ModuleList(
            _convolutions(widths[i + 1] + widths[i], widths[i]) for i in reversed(range(depth - 1))
        )
        self.head = nn.Conv2d(width, outputs, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        height, width = x.shape[-2:]
        multiple = 2 ** len(self.up)
        x = F.pad(x, (0, -width % multiple, 0, -height % multiple))
        x = x.to(memory_format=torch.channels_last)
        skips = []
        for stage in self.down[:-1]:
            skips.append(stage(x))
            x = F.avg_pool2d(skips[-1], 2)
        x = self.down[-1](x)
        for stage in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = stage(torch.cat([x, skips.pop()], 1))
        head: Tensor = self.head(x)
        return head[..., :height, :width]
