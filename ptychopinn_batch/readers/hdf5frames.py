"""Frames in HDF5 datasets: one, several after each other, or those of a grid of positions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpc.errors import UserError
from ptychopinn_batch.data.source import BLOCK_PIXELS, Frames
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.hdf5tree import Entry
from ptychopinn_batch.readers.limits import check_frames
from ptychopinn_batch.readers.recording import Box

CHUNK_BYTES = 2**28  # chunks of frames up to this size are read as a whole, once


@dataclass(frozen=True)
class Hdf5Pictures:
    """Frames of these datasets (k, H, W) or (rows, columns, H, W), one after the other."""

    file: Hdf5File
    entries: tuple[Entry, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width = self.entries[0].shape[-2:]
        return sum(count_of(entry) for entry in self.entries), height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*(entry.dtype.newbyteorder("=") for entry in self.entries))

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the grid that the frames were taken on, where they have one."""
        first = self.entries[0].shape
        return (first[0], first[1]) if len(first) == 4 and len(self.entries) == 1 else None

    def pieces(self, rows: range, box: Box) -> Iterator[Frames]:
        """Only the box is read, as far as the chunks of the file allow it."""
        done = 0
        for entry in self.entries:
            first, last = max(rows.start - done, 0), min(rows.stop - done, count_of(entry))
            if first < last:
                yield from self._of_one(entry, range(first, last), box)
            done += count_of(entry)

    def _of_one(self, entry: Entry, rows: range, box: Box) -> Iterator[Frames]:
        width = entry.shape[1] if len(entry.shape) == 4 else 0
        with self.file.dataset(entry.key) as found:
            step = _step(found.chunks, entry, box)
        start = rows.start
        while start < rows.stop:
            stop = min(rows.stop, start - start % step + step)
            with self.file.dataset(entry.key) as found:
                if width:  # of a grid, as far as its row goes
                    row, column = divmod(start, width)
                    stop = min(stop, start - column + width)
                    block = found[row, column : column + stop - start, *box]
                else:
                    block = found[start:stop, *box]
            yield np.asarray(block)
            start = stop


def find_frames(file: Hdf5File, pattern: str) -> Hdf5Pictures:
    """The frames in the datasets that match a name or pattern. UserError where they are none."""
    entries = tuple(file.entry(key) for key in file.matching(pattern))
    for entry in entries:
        if len(entry.shape) not in (3, 4):
            what = f"the frames array has {len(entry.shape)} axes {entry.shape}"
            mend = "Give frames x rows x columns, or a grid of them"
            raise UserError(what, where=file.where(entry.key), mend=mend)
        height, width = entry.shape[-2:]
        check_frames((count_of(entry), height, width), entry.dtype, file.where(entry.key))
        if entry.shape[-2:] != entries[0].shape[-2:]:
            what = f"its frames are {entry.shape[-2:]}, those before {entries[0].shape[-2:]}"
            raise UserError(what, where=file.where(entry.key), mend="Name only datasets of frames")
    return Hdf5Pictures(file, entries)


def count_of(entry: Entry) -> int:
    """Number of frames in a dataset."""
    return math.prod(entry.shape[:-2])


def _step(chunks: tuple[int, ...] | None, entry: Entry, box: Box) -> int:
    """Frames read at once: whole chunks, lest each is decompressed again for every frame in it."""
    pixels = math.prod(side.stop - side.start for side in box)
    step = max(1, BLOCK_PIXELS // pixels)
    chunk = chunks[-3] if chunks else 1
    if chunk * math.prod(entry.shape[-2:]) * entry.dtype.itemsize > CHUNK_BYTES:
        return step
    return -(-step // chunk) * chunk
