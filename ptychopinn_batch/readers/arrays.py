"""Arrays that every format has in some shape of its own: probes, objects, masks, indexes. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.readers.limits import check_numbers


def modes_of(probe: NDArray[Any]) -> NDArray[Any]:
    """Modes (M, h, w) of a probe (h, w), (M, h, w) or (coherent, M, h, w): its first coherent one.

    Ptychodus corrects a probe from frame to frame by coherent ones (OPR); the first is the mean.
    """
    while probe.ndim > 3 and len(probe):
        probe = probe[0]
    return probe[None] if probe.ndim == 2 else probe


def single_object(found: NDArray[Any]) -> NDArray[Any]:
    """The object (H, W) of one, or of its only layer (1, H, W); others stay as they are."""
    return found[0] if found.ndim == 3 and len(found) == 1 else found


def vector(values: NDArray[Any], what: str, where: str) -> NDArray[np.float64]:
    """Numbers (K,) float64; an array of more axes is one only if the others are idle."""
    check_numbers(values.dtype, what, where)
    if values.squeeze().ndim > 1:
        mend = "Give one number per frame"
        raise UserError(f"{what} are an array of shape {values.shape}", where=where, mend=mend)
    return values.ravel().astype(np.float64)


def indexes(values: NDArray[Any], where: str) -> NDArray[np.int64]:
    """Whole numbers (K,) int64."""
    numbers = vector(values, "indexes", where)
    if not np.isfinite(numbers).all() or (numbers != np.rint(numbers)).any():
        raise UserError("indexes are not whole numbers", where=where, mend="Give integers")
    if (np.abs(numbers) > 2**53).any():
        raise UserError("indexes are beyond 2^53", where=where, mend="Give smaller integers")
    return values.ravel().astype(np.int64)


def pairs(values: NDArray[Any], where: str) -> NDArray[np.float64]:
    """Positions (K, 2) float64 of an array (K, 2 or more) of numbers."""
    check_numbers(values.dtype, "positions", where)
    if values.ndim != 2 or values.shape[1] < 2:
        what = f"positions are an array of shape {values.shape}"
        raise UserError(what, where=where, mend="Give frames x 2, or name x and y")
    return values[:, :2].astype(np.float64)


def paired(x: NDArray[np.float64], y: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """Positions (P, 2) of x and y, which must be as many."""
    if len(x) != len(y):
        what = f"{len(x)} x but {len(y)} y coordinates"
        raise UserError(what, where=where, mend="Give a pair for every frame")
    return np.stack([x, y], 1)
