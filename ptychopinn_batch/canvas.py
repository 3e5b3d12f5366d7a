"""The canvas of a scan: the pixel grid its object is reconstructed on, and how it is cut in tiles.

The canvas frame is fixed once per scan and stored with every array made on it, so that a result
can be placed in the world and compared with others pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

# Pixels, of every window's origin: networks pool by powers of two, so tilings must agree on it.
ALIGNMENT = 32
# Of a canvas pixel in memory: complex64 object, float32 light, what is seen, and a copy.
PIXEL_BYTES = 16


class Window(BaseModel):
    """A half-open box of canvas pixels: rows [top, bottom), columns [left, right)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin: int, canvas: Canvas) -> Window:
        """This window with a margin on all sides, cut at the canvas, its origin kept aligned."""
        top, left = (max(0, v - margin) // ALIGNMENT * ALIGNMENT for v in (self.top, self.left))
        bottom = min(canvas.height, self.bottom + margin)
        return Window(
            top=top, left=left, bottom=bottom, right=min(canvas.width, self.right + margin)
        )

    def middle(self, side: int) -> Window:
        """Its middle, of at most so many pixels a side."""
        height, width = (min(length, side) for length in self.shape)
        top = self.top + (self.shape[0] - height) // 2
        left = self.left + (self.shape[1] - width) // 2
        return Window(top=top, left=left, bottom=top + height, right=left + width)

    def relative_to(self, outer: Window) -> Window:
        """This window in pixels of `outer`."""
        return Window(
            top=self.top - outer.top,
            left=self.left - outer.left,
            bottom=self.bottom - outer.top,
            right=self.right - outer.left,
        )

    def holds(self, centres: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the points (K, 2) as (x, y) in canvas pixels lie inside."""
        x, y = centres[:, 0], centres[:, 1]
        return (x >= self.left) & (x < self.right) & (y >= self.top) & (y < self.bottom)


class Canvas(BaseModel):
    """Pixel grid of an object.

    Canvas pixel (row i, column j) is scan pixel (i + y0, j + x0); positions are scan pixels under
    patch pixel N//2.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    x0: int
    y0: int
    height: int = Field(gt=0)
    width: int = Field(gt=0)
    pixel_size_m: float | None = None

    @classmethod
    def around(
        cls, positions: NDArray[np.float64], n: int, pixel_size_m: float | None = None
    ) -> Canvas:
        """The smallest canvas that holds every N x N patch at these positions (K, 2) as (x, y)."""
        ends = np.stack([positions.min(0), positions.max(0)])
        (x0, y0), (x1, y1) = np.floor(ends - n // 2).astype(np.int64)
        return cls(
            x0=int(x0),
            y0=int(y0),
            height=int(y1 - y0) + n + 1,
            width=int(x1 - x0) + n + 1,
            pixel_size_m=pixel_size_m,
        )

    def grown(self, margin: int) -> Canvas:
        """This canvas with a margin on all sides."""
        return self.model_copy(
            update={
                "x0": self.x0 - margin,
                "y0": self.y0 - margin,
                "height": self.height + 2 * margin,
                "width": self.width + 2 * margin,
            }
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def whole(self) -> Window:
        return Window(top=0, left=0, bottom=self.height, right=self.width)

    def corners(
        self, positions: NDArray[np.float64], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Top-left canvas pixel (K, 2) as (x, y) of every patch, and its fraction in [0, 1)."""
        exact = positions - n // 2 - np.array([self.x0, self.y0], dtype=np.float64)
        corner = np.floor(exact)
        return corner.astype(np.int64), (exact - corner).astype(np.float32)

    def centres(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The positions (K, 2) as (x, y) in canvas pixels."""
        return positions - np.array([self.x0, self.y0], dtype=np.float64)

    def tile_counts(self, tile: int) -> tuple[int, int]:
        """Number of tile rows and columns."""
        return -(-self.height // tile), -(-self.width // tile)

    def tiles(self, tile: int) -> Iterator[Window]:
        """Every tile, row by row; the last of a row or column may be smaller."""
        for top in range(0, self.height, tile):
            for left in range(0, self.width, tile):
                yield Window(
                    top=top,
                    left=left,
                    bottom=min(top + tile, self.height),
                    right=min(left + tile, self.width),
                )
