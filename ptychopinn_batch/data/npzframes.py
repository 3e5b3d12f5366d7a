"""The frames array of an NPZ file: which axis is which, and its frames as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpc.errors import UserError
from ptychopinn_batch.data.checks import check_frame_shape
from ptychopinn_batch.data.npzfile import ArrayHeader, NpzFile
from ptychopinn_batch.data.source import Frames


@dataclass(frozen=True)
class Layout:
    """How the frames array lies in the file: `total` frames of n x n pixels.

    `frames_slowest`: frame after frame, else pixel after pixel; `transposed`: columns before rows.
    """

    total: int
    n: int
    frames_slowest: bool
    transposed: bool


@dataclass(frozen=True)
class NpzFrames:
    """The first `count` frames of an array in an NPZ file, streamed."""

    file: NpzFile
    key: str
    layout: Layout
    count: int
    dtype: np.dtype[Any]

    @property
    def n(self) -> int:
        return self.layout.n

    def __len__(self) -> int:
        return self.count

    def blocks(self, size: int) -> Iterator[Frames]:
        """Blocks (k, n, n) in file order. UserError where the file is damaged."""
        pieces = self._streamed(size) if self.layout.frames_slowest else self._gathered(size)
        done = 0
        for piece in pieces:
            frames = piece[: self.count - done]
            frames = frames.swapaxes(1, 2) if self.layout.transposed else frames
            yield np.ascontiguousarray(frames, dtype=self.dtype)
            done += len(frames)
            if done == self.count < self.layout.total:
                return  # what follows is not read; a whole array is, up to its checksum

    def _streamed(self, size: int) -> Iterator[Frames]:
        for chunk in self.file.chunks(self.key, size * self.n**2):
            yield chunk.reshape(-1, self.n, self.n)

    def _gathered(self, size: int) -> Iterator[Frames]:
        """From pixel-major arrays, which must be turned on the disk."""
        dtype, shape = self.file.header(self.key).dtype, (self.n, self.n, self.layout.total)
        with self.file.spooled(self.key) as path:
            for start in range(0, self.count, size):
                # A new map for every block: pages of the last one need not stay in memory.
                whole = np.memmap(path, dtype=dtype, mode="r", shape=shape)
                yield np.moveaxis(whole[:, :, start : start + size], 2, 0)


def find_layout(header: ArrayHeader, frames: int, axis_order: str, where: str) -> Layout:
    """Which axis counts frames: the one as long as there are positions. Others are a frame's."""
    shape = header.shape[:-1] if len(header.shape) == 4 and header.shape[-1] == 1 else header.shape
    if len(shape) != 3:
        what = f"the frames array has {len(shape)} axes {shape}"
        raise UserError(what, where=where, mend="Give frames x rows x columns")
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
    check_frame_shape(height, width, where)
    return Layout(
        total=frames,
        n=height,
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
