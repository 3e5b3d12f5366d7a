"""Frames on their way into a store: looked at once, and measured as they pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.checks import listed
from ptychopinn_batch.data.source import Frames, Measurement

# Types that no count fills: detectors such as EIGER mark their dead pixels by the largest number.
DEAD = (np.dtype(np.uint32), np.dtype(np.uint64))
FAINTEST = 1e-30  # counts in the brightest pixel: their squares are zero in float32
LARGEST = 10**15  # in a pixel, more than any detector counts


@dataclass(frozen=True)
class Dose:
    """Measured light of a scan: mean counts of a frame, and the largest amplitude of a pixel."""

    photons: float
    amplitude_max: float


class Intake:
    """Takes blocks in file order; every frame must be finite, not negative and not dark.

    good: (N, N) bool, the pixels that count; the others are set to zero and may hold anything.
    """

    def __init__(
        self, frames: int, measurement: Measurement, good: NDArray[np.bool_] | None, origin: str
    ) -> None:
        self._counts = np.zeros(frames)  # of every frame
        self._largest = 0.0
        self._done = 0
        self._measurement = measurement
        self._good = good
        self._origin = origin

    def take(self, block: Frames) -> Frames:
        """The next frames (k, N, N), bad pixels zero. UserError names the first broken frame."""
        if self._done + len(block) > len(self._counts):
            raise self._wrong_number(self._done + len(block))
        if self._good is not None:
            block = np.where(self._good, block, np.zeros((), block.dtype))
        refuse_broken(block, self._done, self._origin)
        values = block.astype(np.float64)  # squares of unsigned integers would wrap
        counts = values**2 if self._measurement == "amplitude" else values
        self._counts[self._done : self._done + len(block)] = counts.sum((1, 2))
        self._largest = max(self._largest, float(counts.max(initial=0)))
        self._done += len(block)
        return block

    def dose(self) -> Dose:
        """What was measured, after the last frame. UserError if frames are missing or dark."""
        if self._done < len(self._counts):
            raise self._wrong_number(self._done)
        dark = np.flatnonzero(self._counts == 0)
        if len(dark):
            what = f"{len(dark)} of {self._done} frames hold nothing but zeros: {listed(dark)}"
            raise UserError(what, where=self._origin, mend="Remove them and their positions")
        if self._largest < FAINTEST:
            what = f"the brightest pixel of all frames is {self._largest:.3g} counts"
            mend = "Scale the frames: such numbers are lost in single precision"
            raise UserError(what, where=self._origin, mend=mend)
        return Dose(float(self._counts.mean()), self._largest**0.5)

    def _wrong_number(self, found: int) -> UserError:
        what = f"{len(self._counts)} frames were expected, {found} came"
        return UserError(what, where=self._origin, mend="Write the file again")


def refuse_broken(block: Frames, first: int, origin: str) -> None:
    """UserError where frames (k, N, N), the first of number `first`, hold what is no count."""
    _refuse(~np.isfinite(block), "NaN or infinite", first, origin)
    _refuse(block < 0, "negative", first, origin)
    if block.dtype in DEAD:
        _refuse(block == np.iinfo(block.dtype).max, "marked as dead", first, origin)
    _refuse(block > np.float64(LARGEST), f"above {LARGEST:g}", first, origin)


def _refuse(bad: NDArray[Any], word: str, first: int, origin: str) -> None:
    broken = bad.any((1, 2))
    if broken.any():
        frame = int(broken.argmax())
        row, column = (int(i) for i in np.argwhere(bad[frame])[0])
        what = (
            f"frame {first + frame} is {word} in {np.count_nonzero(bad[frame])} pixels, "
            f"first at row {row}, column {column}"
        )
        mend = "Correct the frames, or mark dead pixels in bad_pixels"
        raise UserError(what, where=origin, mend=mend)
