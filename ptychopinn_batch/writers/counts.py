"""Frames as counts, as most formats want them: exactly those that the scan holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.data.source import Frames, RawScan, block_size

BLOCKS_LOOKED_AT = 4
WHOLE = 1e-2, 4e-7  # counts and relative: how near squares of float32 roots come to whole numbers


@dataclass(frozen=True)
class Counts:
    """Counts of a scan (K, n, n), DC at the centre, bad pixels zero.

    Of amplitudes whose squares are whole numbers uint32, of others float64: the roots of either
    are the same amplitudes again.
    """

    raw: RawScan
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, raw: RawScan) -> Counts:
        if raw.measurement == "counts":
            return cls(raw, np.dtype(raw.frames.dtype).newbyteorder("="))
        return cls(raw, np.dtype(np.uint32 if _squares_whole(raw) else np.float64))

    def blocks(self) -> Iterator[Frames]:
        for block in self.raw.frames.blocks(block_size(self.raw.frames.n)):
            frames = without_bad(block, self.raw.bad_pixels)
            if self.raw.measurement == "amplitude":
                frames = frames.astype(np.float64) ** 2
                frames = np.rint(frames) if self.dtype.kind == "u" else frames
            yield frames.astype(self.dtype)

    def write(self, group: h5py.Group, name: str) -> h5py.Dataset:
        """The frames as a dataset, compressed as Ptychodus does it."""
        count, n = len(self.raw.frames), self.raw.frames.n
        chunks = (min(16, count, block_size(n)), n, n)
        dataset = group.create_dataset(
            name, (count, n, n), self.dtype, chunks=chunks, compression="lzf", shuffle=True
        )
        done = 0
        for block in self.blocks():
            dataset[done : done + len(block)] = block
            done += len(block)
        return dataset


def without_bad(frames: Frames, bad: NDArray[np.bool_] | None) -> Frames:
    """Frames with bad pixels zero: they may hold anything."""
    return frames if bad is None else np.where(bad, np.zeros((), frames.dtype), frames)


def are_whole(counts: NDArray[np.float64]) -> bool:
    """Whether squared amplitudes are whole numbers, up to float32."""
    return bool((np.abs(counts - np.rint(counts)) < counts * WHOLE[1] + WHOLE[0]).all())


def _squares_whole(raw: RawScan) -> bool:
    blocks = islice(raw.frames.blocks(block_size(raw.frames.n)), BLOCKS_LOOKED_AT)
    squares = (without_bad(block, raw.bad_pixels).astype(np.float64) ** 2 for block in blocks)
    return all(are_whole(block) and block.max() < 2**32 for block in squares)
