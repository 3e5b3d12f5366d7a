"""The frames array of an NPZ file: which axis is which, and its frames as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpc.errors import UserError
from ptychopinn_batch.data.source import BLOCK_PIXELS, Frames
from ptychopinn_batch.readers.limits import check_frames
from ptychopinn_batch.readers.npzfile import ArrayHeader, NpzFile
from ptychopinn_batch.readers.recording import Box


@dataclass(frozen=True)
class Layout:
    """How the frames array lies in the file: `total` frames of height x width pixels.

    `frames_slowest`: frame after frame, else pixel after pixel; `transposed`: columns before rows.
    """

    total: int
    height: int
    width: int
    frames_slowest: bool
    transposed: bool

    @property
    def stored_sides(self) -> tuple[int, int]:
        return (self.width, self.height) if self.transposed else (self.height, self.width)


@dataclass(frozen=True)
class NpzPictures:
    """Frames of an array in an NPZ file, streamed."""

    file: NpzFile
    key: str
    layout: Layout
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.layout.total, self.layout.height, self.layout.width)

    def pieces(self, rows: range, box: Box) -> Iterator[Frames]:
        """A zip member is read from its start; what comes after the last row is not."""
        every = self._streamed() if self.layout.frames_slowest else self._gathered(rows)
        done = 0
        for piece in every:
            frames = piece.swapaxes(1, 2) if self.layout.transposed else piece
            found = frames[max(rows.start - done, 0) : max(rows.stop - done, 0), *box]
            if len(found):
                yield found
            done += len(piece)
            if done >= rows.stop and done < self.layout.total:
                return  # a whole array is read up to its checksum

    def _streamed(self) -> Iterator[Frames]:
        sides = self.layout.stored_sides
        count = max(1, BLOCK_PIXELS // (sides[0] * sides[1]))
        for chunk in self.file.chunks(self.key, count * sides[0] * sides[1]):
            yield chunk.reshape(-1, *sides)

    def _gathered(self, rows: range) -> Iterator[Frames]:
        """From pixel-major arrays, which must be turned on the disk."""
        dtype, sides = self.file.header(self.key).dtype, self.layout.stored_sides
        shape, size = (*sides, self.layout.total), max(1, BLOCK_PIXELS // (sides[0] * sides[1]))
        with self.file.spooled(self.key) as path:
            for start in range(0, rows.stop, size):
                # A new map for every block: pages of the last one need not stay in memory.
                whole = np.memmap(path, dtype=dtype, mode="r", shape=shape)
                yield np.moveaxis(whole[:, :, start : start + size], 2, 0)


def find_layout(header: ArrayHeader, frames: int | None, axis_order: str, where: str) -> Layout:
    """Which axis counts frames: the one as long as there are positions. Others are a frame's.

    frames: how many; None: as many as the first axis says, or the one that is said to.
    """
    shape = header.shape[:-1] if len(header.shape) == 4 and header.shape[-1] == 1 else header.shape
    if len(shape) != 3:
        what = f"the frames array has {len(shape)} axes {shape}"
        raise UserError(what, where=where, mend="Give frames x rows x columns")
    if frames is None:
        axis_order = "frames_first" if axis_order == "auto" else axis_order
        frames = shape[0 if axis_order == "frames_first" else 2]
    first = _is_frame_axis(shape, 0, frames, axis_order)
    last = _is_frame_axis(shape, 2, frames, axis_order)
    if first and last:
        what = f"frames could lie along the first or the last axis of {shape}"
        mend = "Write axis_order: frames_first, or axis_order: frames_last"
        raise UserError(what, where=where, mend=mend)
    if not (first or last):
        what = f"positions are given for {frames} frames, but the frames array is {shape}"
        raise UserError(what, where=where, mend="Give one position per frame, or the axis_order")
    height, width = shape[1:] if first else shape[:2]
    check_frames((frames, height, width), header.dtype, where)
    return Layout(
        total=frames,
        height=height,
        width=width,
        frames_slowest=first != header.fortran_order,
        transposed=header.fortran_order,
    )


def _is_frame_axis(shape: tuple[int, ...], axis: int, frames: int, axis_order: str) -> bool:
    """Whether that axis may count frames: by its length, and by the shape of what is left."""
    if axis_order != "auto":
        return shape[axis] == frames and (axis == 0) == (axis_order == "frames_first")
    rest = shape[1:] if axis == 0 else shape[:2]
    other = shape[2] if axis == 0 else shape[0]
    return shape[axis] == frames and (rest[0] == rest[1] or other != frames)
