"""Frames in TIFF files: one or many in each, files in the order of the numbers in their names."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from tifffile import TiffFile, TiffFileError

from hpc.errors import UserError
from ptychopinn_batch.data.source import BLOCK_PIXELS, Frames
from ptychopinn_batch.readers.limits import check_frames
from ptychopinn_batch.readers.recording import Box

# What tifffile raises where a file is not what it should be, or packed in a way it cannot open.
DAMAGE = (
    TiffFileError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RuntimeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class TiffPictures:
    """Frames of these files, of `counts` pages each."""

    paths: tuple[Path, ...]
    counts: tuple[int, ...]
    sides: tuple[int, int]
    dtype: np.dtype[Any]

    @property
    def shape(self) -> tuple[int, int, int]:
        return sum(self.counts), *self.sides

    def pieces(self, rows: range, box: Box) -> Iterator[Frames]:
        """Several frames at a time, lest all that follows is done for each."""
        size = max(1, BLOCK_PIXELS // (self.sides[0] * self.sides[1]))
        held: list[Frames] = []
        for frame in self._each(rows):
            held.append(frame[box])
            if len(held) == size:
                yield np.stack(held)
                held = []
        if held:
            yield np.stack(held)

    def _each(self, rows: range) -> Iterator[Frames]:
        ends = accumulate(self.counts)
        for path, count, end in zip(self.paths, self.counts, ends, strict=True):
            first, last = max(rows.start - end + count, 0), min(rows.stop - end + count, count)
            if first < last:
                yield from self._of_file(path, count, range(first, last))

    def _of_file(self, path: Path, count: int, pages: range) -> Iterator[Frames]:
        with opened(path) as file:
            if len(file.pages) != count:
                what = f"it has {len(file.pages)} pages, the file before it {count}"
                raise UserError(what, where=str(path), mend="Remove files that are no frames")
            for number in pages:
                page: Any = file.pages[number]
                if tuple(page.shape) != self.sides or page.dtype != self.dtype:
                    what = (
                        f"page {number} is {page.dtype} of {tuple(page.shape)}, others "
                        f"{self.dtype} of {self.sides}"
                    )
                    raise UserError(what, where=str(path), mend="Remove files that are no frames")
                yield np.asarray(page.asarray())


def find_tiffs(paths: tuple[Path, ...]) -> TiffPictures:
    """The frames in these files. All but the first are looked at when they are read.

    Only where the first holds several are the pages of all counted.
    """
    count, sides, dtype = _looked_at(paths[0])
    counts = (count,) * len(paths)
    if count > 1:
        counts = tuple(_looked_at(path)[0] for path in paths)
    check_frames((sum(counts), *sides), dtype, str(paths[0]))
    return TiffPictures(paths, counts, sides, dtype)


@contextmanager
def opened(path: Path) -> Iterator[TiffFile]:
    """An open TIFF file; UserError where it is damaged, there and in what is done with it."""
    try:
        with TiffFile(path) as file:
            yield file
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError("no such file", where=str(path), mend="Check the path") from None
    except DAMAGE as error:
        what = f"this TIFF file cannot be read ({' '.join(str(error).split())[:200]})"
        mend = "Copy or write the file again, uncompressed or with deflate"
        raise UserError(what, where=str(path), mend=mend) from None


def _looked_at(path: Path) -> tuple[int, tuple[int, int], np.dtype[Any]]:
    """Pages, and sides and type of the first."""
    with opened(path) as file:
        page: Any = file.pages[0]
        if page.dtype is None or len(page.shape) != 2:
            what = f"its images have {len(page.shape)} axes {tuple(page.shape)}"
            raise UserError(what, where=str(path), mend="Give grey images of numbers")
        return len(file.pages), (int(page.shape[0]), int(page.shape[1])), np.dtype(page.dtype)
