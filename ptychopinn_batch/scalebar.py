"""The bar that tells how large a picture is: a length of 1, 2 or 5 times a power of ten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ptychopinn_batch.quantities import length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_bar", "nice_length"]


def draw_bar(axes: Axes, shape: tuple[int, int], pixel_size_m: float | None) -> None:
    """A bar in metres on a picture of (H, W) pixels; without their size, axes in pixels."""
    if pixel_size_m is None:
        axes.set_xlabel("canvas x (px)")
        axes.set_ylabel("canvas y (px)")
        return
    axes.set_xticks([])
    axes.set_yticks([])
    height, width = shape
    shown = nice_length(0.25 * width * pixel_size_m)
    left, bottom = 0.04 * width, 0.95 * height
    ends = [left, left + shown / pixel_size_m]
    axes.plot(ends, [bottom, bottom], color="white", linewidth=5)
    axes.plot(ends, [bottom, bottom], color="black", linewidth=2)
    box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 2}
    axes.text(left, bottom - 0.03 * height, length(shown), color="black", bbox=box)


def nice_length(longest: float) -> float:
    """The largest of 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** np.floor(np.log10(longest))
    return float(max(step * power for step in (1, 2, 5) if step * power <= longest * (1 + 1e-9)))
