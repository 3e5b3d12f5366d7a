"""A scan in metres, on the pixel grid of an object: what formats that know no pixels need. Pure.

Ptychodus' gauge: array index (size - 1) / 2 of the object lies at its centre, and a position is
where the middle of a patch lies, index (N - 1) / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.source import Complex, Geometry, RawScan, patch_middle
from ptychopinn_batch.exports.ptychodus import NOMINAL

BLANK = 1.0 + 0.0j  # of an object that is not known


@dataclass(frozen=True)
class PlacedScan:
    """object: (H, W) complex64; centre_m: (x, y) of its middle; positions_m: (K, 2) as (x, y);
    index: (K,) int64, different for every frame; is_nominal: whether the geometry is assumed.
    """

    raw: RawScan
    geometry: Geometry
    is_nominal: bool
    object: Complex
    centre_m: tuple[float, float]
    positions_m: NDArray[np.float64]
    index: NDArray[np.int64]

    @property
    def pixel_m(self) -> float:
        return self.geometry.pixel_size(self.raw.frames.n)

    @property
    def middle_px(self) -> NDArray[np.float64]:
        """Positions (K, 2) as object pixels under the middle of a patch, from its first pixel."""
        half = (np.array(self.object.shape[::-1]) - 1) / 2
        return np.asarray((self.positions_m - self.centre_m) / self.pixel_m + half)


def placed(raw: RawScan) -> PlacedScan:
    """The scan with its reference as object, else with a blank one, large enough for all patches.

    What has no place in the world gets one: the middle of the object at (0, 0).
    """
    geometry, n = raw.geometry or NOMINAL, raw.frames.n
    pixel = geometry.pixel_size(n)
    corner, obj = _object(raw)
    half = (np.array(obj.shape[::-1]) - 1) / 2
    zero = raw.zero_m if raw.zero_m and raw.geometry else tuple(-pixel * (corner + half))
    centre = np.array(zero) + pixel * (corner + half)
    return PlacedScan(
        raw=raw,
        geometry=geometry,
        is_nominal=raw.geometry is None,
        object=obj,
        centre_m=(float(centre[0]), float(centre[1])),
        positions_m=np.array(zero) + pixel * (raw.positions - patch_middle(n)),
        index=_index(raw.scan_index),
    )


def _object(raw: RawScan) -> tuple[NDArray[np.float64], Complex]:
    """An object and the scan pixel (x, y) of its first one."""
    canvas = Canvas.around(raw.positions, raw.frames.n)
    first = np.array([canvas.x0, canvas.y0])
    last = first + np.array([canvas.width, canvas.height])
    if raw.reference is None:
        return first.astype(float), np.full(canvas.shape, BLANK, np.complex64)
    sides = np.array(raw.reference.shape[::-1])
    if (first >= 0).all() and (last - 1 <= sides).all():  # of the canvas' margin none is needed
        return np.zeros(2), raw.reference
    low, high = np.minimum(first, 0), np.maximum(last, sides)
    width, height = high - low
    obj = np.full((height, width), BLANK, np.complex64)
    x, y = -low
    obj[y : y + sides[1], x : x + sides[0]] = raw.reference
    return low.astype(float), obj


def _index(own: NDArray[np.int64]) -> NDArray[np.int64]:
    """The file's own numbers where they tell frames apart, else their places."""
    return own if len(np.unique(own)) == len(own) else np.arange(len(own))
