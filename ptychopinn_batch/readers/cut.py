"""The part of every frame that is used: cropped around the beam, then binned. And what becomes of
probe, mask and pixel sizes by that.

Cropping a detector makes object pixels larger and leaves the field of view; binning it makes the
field of view smaller and leaves the pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.checks import check_frame_shape
from ptychopinn_batch.data.intake import refuse_broken
from ptychopinn_batch.data.source import Frames, Measurement
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.recording import Box, Pictures


@dataclass(frozen=True)
class Cut:
    """A square of `size` pixels of the detector, in bins of `by` x `by`."""

    top: int
    left: int
    size: int
    by: int

    @property
    def n(self) -> int:
        """Side of a frame that comes out."""
        return self.size // self.by

    @property
    def box(self) -> Box:
        return (
            slice(self.top, self.top + self.size),
            slice(self.left, self.left + self.size),
        )

    def is_whole(self, shape: tuple[int, ...]) -> bool:
        """Whether frames (..., H, W) stay as they are."""
        return (*shape[-2:], 1) == (self.size, self.size, self.by)

    def mask(self, bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Bad pixels (n, n) of those (H, W) of the detector: one in a bin spoils the bin."""
        return np.asarray(_in_bins(bad[self.box], self.by).any((-3, -1)))

    def probe(self, probe: NDArray[Any]) -> NDArray[Any]:
        """Modes (M, n, n) of those (M, H, W) that explain whole frames (H = W, the beam centred).

        Cropped in the detector's plane, then in its own; even bins lie half a pixel off the beam's
        centre, which is a slope of phase.
        """
        waves = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(probe, axes=(1, 2))), axes=(1, 2))
        waves = np.fft.ifftshift(_middle(waves, self.size), axes=(1, 2))
        field = np.fft.fftshift(np.fft.ifft2(waves), axes=(1, 2))
        offset = (self.by - 1) / (2 * self.by)
        slope = np.exp(-2j * np.pi * offset * (np.arange(self.n) - self.n // 2) / self.n)
        return _middle(field, self.n) * slope[:, None] * slope


def find_cut(shape: tuple[int, int, int], options: Scan, where: str) -> Cut:
    """The part of frames (K, H, W) that a spec asks for. UserError where it does not fit."""
    height, width = shape[1:]
    size = options.crop or _whole(height, width, options, where)
    row, column = options.centre or (height // 2, width // 2)
    top, left = row - size // 2, column - size // 2
    if min(top, left) < 0 or top + size > height or left + size > width:
        what = (
            f"a square of {size} pixels around row {row}, column {column} does not fit into frames "
            f"of {height} x {width}"
        )
        raise UserError(what, where=where, mend="Write another crop or centre")
    cut = Cut(top, left, size, options.bin)
    if size % options.bin:
        what = f"{size} pixels a side do not make bins of {options.bin}"
        mend = f"Write crop: {size // (2 * options.bin) * 2 * options.bin}"
        raise UserError(what, where=where, mend=mend)
    check_frame_shape(cut.n, cut.n, where)
    return cut


@dataclass(frozen=True)
class CutFrames:
    """The frames of these rows (K,), increasing, as a scan has them: a `FrameSource`.

    bad: (H, W) bool, pixels of the detector that may hold anything, or None.
    """

    pictures: Pictures
    rows: NDArray[np.int64]
    cut: Cut
    measurement: Measurement
    bad: NDArray[np.bool_] | None
    origin: str

    @property
    def n(self) -> int:
        return self.cut.n

    @property
    def dtype(self) -> np.dtype[Any]:
        own = self.pictures.dtype.newbyteorder("=")
        return own if self.cut.by == 1 else summed_dtype(own, self.cut.by)

    def __len__(self) -> int:
        return len(self.rows)

    def blocks(self, size: int) -> Iterator[Frames]:
        return rechunked(self._cut_out(), size)

    def _cut_out(self) -> Iterator[Frames]:
        first, done = int(self.rows[0]), 0
        for piece in self.pictures.pieces(range(first, int(self.rows[-1]) + 1), self.cut.box):
            last = done + int(np.searchsorted(self.rows[done:], first + len(piece)))
            if last > done:
                yield self._binned(piece[self.rows[done:last] - first], done)
            first, done = first + len(piece), last

    def _binned(self, frames: Frames, done: int) -> Frames:
        if self.cut.by == 1:
            return np.ascontiguousarray(frames, dtype=self.dtype)
        if self.bad is not None:
            frames = np.where(self.bad[self.cut.box], np.zeros((), frames.dtype), frames)
        refuse_broken(frames, done, self.origin)  # a sum would hide it
        return binned(frames, self.cut.by, self.measurement).astype(self.dtype)


def binned(frames: Frames, by: int, measurement: Measurement) -> Frames:
    """Frames (k, n * by, n * by) as (k, n, n): counts are added up, of amplitudes the squares."""
    if measurement == "counts":
        return _in_bins(frames, by).sum((-3, -1), dtype=_sums(frames.dtype))
    squares = frames.astype(np.float64) ** 2
    return np.sqrt(_in_bins(squares, by).sum((-3, -1)))


def summed_dtype(dtype: np.dtype[Any], by: int) -> np.dtype[Any]:
    """A type that holds sums of by x by numbers of a type."""
    if dtype.kind == "f":
        return np.dtype(np.promote_types(dtype, np.float32))
    if dtype.kind == "i":
        return np.dtype(np.int64)
    return np.dtype(np.min_scalar_type(min(np.iinfo(dtype).max * by**2, 2**64 - 1)))


def rechunked(pieces: Iterable[Frames], size: int) -> Iterator[Frames]:
    """The same frames in blocks of `size`, the last one smaller."""
    held: list[Frames] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count >= size:
            whole = np.concatenate(held) if len(held) > 1 else held[0]
            full = count - count % size
            yield from (whole[start : start + size] for start in range(0, full, size))
            held, count = [whole[full:]], count - full
    if count:
        yield np.concatenate(held)


def _whole(height: int, width: int, options: Scan, where: str) -> int:
    """The side of uncropped frames, which must be square and even."""
    if options.centre is not None and options.centre != (height // 2, width // 2):
        mend = "Write crop: the side of the square around it"
        raise UserError("a centre is given, but no crop", where=where, mend=mend)
    check_frame_shape(height, width, where)
    return height


def _in_bins(frames: NDArray[Any], by: int) -> NDArray[Any]:
    *rest, height, width = frames.shape
    return frames.reshape(*rest, height // by, by, width // by, by)


def _sums(dtype: np.dtype[Any]) -> type[Any]:
    return {"u": np.uint64, "i": np.int64, "f": np.float64}[dtype.kind]


def _middle(waves: NDArray[Any], size: int) -> NDArray[Any]:
    """The middle (M, size, size) of waves (M, H, W): pixel H // 2 becomes pixel size // 2."""
    top, left = (side // 2 - size // 2 for side in waves.shape[1:])
    return waves[:, top : top + size, left : left + size]
