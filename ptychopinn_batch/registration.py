"""Two objects laid on each other: what frames do not fix is matched, a shift too.

That is a global phase, a phase plane, the mean amplitude, as in `comparison`, and here also a
shift: an object and a probe that move together explain the same frames, and so do wrong positions
with an object that moved with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ptychopinn_batch.comparison import Complex, Mask, align
from ptychopinn_batch.resolution import hann_window

LARGEST_SHIFT = 0.1  # of the smaller side of the compared area; what is further off is not the same
LEAST_SHIFT = 0.02  # pixels: below, interpolation would cost more than it mends
PARTS = 50  # of a pixel, to which shifts are found
SPLINE = 5  # order of the interpolation


@dataclass(frozen=True)
class Pair:
    """An object and its reference (H, W) in one gauge, and which pixels of the object were seen."""

    object: Complex
    reference: Complex
    seen: Mask
    shift: float = 0.0


def in_one_gauge(obj: Complex, reference: Complex, seen: Mask) -> Pair | None:
    """Two images of one shape, the first aligned with the second, without what a shift cut off.

    None if less than half of the first was seen.
    """
    seen = seen & np.isfinite(obj)
    if seen.mean() < 0.5:
        return None
    start = Pair(
        align(np.where(seen, obj, 0).astype(np.complex64), reference, seen), reference, seen
    )
    shift, most = _shift(start), LARGEST_SHIFT * min(reference.shape)
    if np.hypot(*shift) < most:
        shift = shift + _shift(_shifted(start, shift))  # once more, in the better gauge
    if not LEAST_SHIFT < np.hypot(*shift) < most:
        return start
    still, moved = _cut(start, _margin(shift)), _shifted(start, shift)
    return moved if _error(moved) < _error(still) else start


def _shift(pair: Pair) -> NDArray[np.float64]:
    """By how much (y, x) the object must be shifted, in pixels, to lie on its reference."""
    taper = hann_window(pair.reference.shape)
    reference, obj = (
        taper * (z - z[pair.seen].mean()) * pair.seen for z in (pair.reference, pair.object)
    )
    return _registered(reference, obj)


def _registered(
    reference: NDArray[np.complex128], moving: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """The shift (y, x) in pixels where the correlation of two images is largest."""
    from skimage.registration import phase_cross_correlation

    found = phase_cross_correlation(  # type: ignore[no-untyped-call]
        reference, moving, upsample_factor=PARTS, normalization=None
    )[0]
    return np.asarray(found, dtype=np.float64)


def _shifted(pair: Pair, shift: NDArray[np.float64]) -> Pair:
    """The object shifted by (y, x), in the reference's gauge again, without the margins."""
    if not shift.any():
        return pair
    obj = ndimage.shift(pair.object, shift, order=SPLINE, mode="nearest")
    seen = ndimage.shift(pair.seen.astype(np.float64), shift, order=1, cval=0) > 1 - 1e-6
    cut = _cut(Pair(obj, pair.reference, seen, float(np.hypot(*shift))), _margin(shift))
    return replace(cut, object=align(cut.object, cut.reference, cut.seen))


def _margin(shift: NDArray[np.float64]) -> int:
    return int(np.ceil(np.abs(shift).max())) + 2


def _cut(pair: Pair, margin: int) -> Pair:
    inside = (slice(margin, -margin), slice(margin, -margin))
    return Pair(pair.object[inside], pair.reference[inside], pair.seen[inside], pair.shift)


def _error(pair: Pair) -> float:
    """Squared error relative to the reference's power."""
    power = np.abs(pair.reference[pair.seen]) ** 2
    return float((np.abs(pair.object - pair.reference)[pair.seen] ** 2).sum() / power.sum())
