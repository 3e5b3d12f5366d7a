"""What an array may claim to be before it is read: files can lie, and memory is finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import psutil

from hpc.errors import UserError

SHARE = 4  # of this machine's memory, what one array that is read whole may take
SIDE = 16384  # pixels of a frame: more than any detector has
MOST_FRAMES = 10**9
SUSPECT_BYTES = 2**26  # arrays that are smaller do no harm, however well they are packed
SUSPECT_RATIO = 500  # times smaller in the file: frames with any light in them are not

_AGAIN = "Look where the file comes from; write it again if it is yours"


def check_numbers(dtype: np.dtype[Any], what: str, where: str) -> None:
    """Real numbers of up to 8 bytes."""
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        mend = "Give counts or amplitudes" if what == "frames" else "Give plain numbers"
        raise UserError(f"{what} are {dtype}, not real numbers", where=where, mend=mend)


def check_size(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
    """An array that is read as a whole must fit well into memory."""
    size = dtype.itemsize * int(np.prod([float(side) for side in shape]))
    room = psutil.virtual_memory().total // SHARE
    if size > room:
        what = f"this array of shape {shape} would take {size / 1e9:.3g} GB of memory"
        raise UserError(what, where=where, mend=_AGAIN)


def check_frames(shape: tuple[int, int, int], dtype: np.dtype[Any], where: str) -> None:
    """Frames (K, H, W) of a size that detectors have."""
    check_numbers(dtype, "frames", where)
    if max(shape[1:]) > SIDE or shape[0] > MOST_FRAMES:
        what = f"frames of shape {shape} are larger than any detector's"
        raise UserError(what, where=where, mend=_AGAIN)
    if min(shape) < 1:
        what = f"the frames array is empty, its shape {shape}"
        raise UserError(what, where=where, mend="Give a file with frames in it")


def check_packing(claimed: int, held: int, where: str) -> None:
    """Bytes of an array, and those that hold it in the file: a bomb claims to be far larger."""
    if claimed > SUSPECT_BYTES and claimed > SUSPECT_RATIO * held:
        what = f"this array claims {claimed / 1e6:.0f} MB, but the file holds {held} bytes of it"
        raise UserError(what, where=where, mend=_AGAIN)
