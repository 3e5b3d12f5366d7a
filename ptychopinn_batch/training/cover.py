"""Regions that hold every frame exactly once: how many there are, and where they are cut. Pure.

A scan is first cut along its store's space-filling order into shards, which stay the same all
through a training; then each shard into compact regions, otherwise in every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Positions = NDArray[np.float64]
Rows = NDArray[np.int64]

FULL = 0.8  # of the most frames that a region may hold: what a mean one does
LEAST_FRAMES = 16  # of a mean region, or half the most where that is fewer
SHIFT = 0.25  # of a region: how far a border moves from epoch to epoch, at most


class Run(NamedTuple):
    """Frames of a scan that follow one another in its order, and into how many regions they go."""

    scan: int
    frames: range
    regions: int


def regions_needed(positions: Positions, window: float, most: int) -> int:
    """How many regions a scan's frames (K, 2) are cut into.

    A region is on average no wider than `window`, and never holds more than `most` frames.
    """
    across, down = np.ceil((np.ptp(positions, axis=0) + 1) / window)
    needed = max(-(-len(positions) // max(1, int(FULL * most))), int(across * down))
    return max(1, min(needed, len(positions) // min(LEAST_FRAMES, most // 2)))


def rounded_up(needed: Sequence[int], frames: Sequence[int], multiple: int) -> list[int]:
    """Regions of every scan, their sum a multiple: those with the fullest regions get more."""
    counts = list(needed)
    while sum(counts) % multiple:
        fullest = max(range(len(counts)), key=lambda scan: frames[scan] / counts[scan])
        counts[fullest] += 1
    return counts


def shards(counts: Sequence[int], frames: Sequence[int], parts: int) -> list[list[Run]]:
    """Equally many regions for each part: one stretch of the order of all scans' frames.

    `counts` regions and `frames` of every scan; every frame lies in one part.
    """
    size = sum(counts) // parts
    return [
        list(_runs(first, first + size, counts, frames)) for first in range(0, size * parts, size)
    ]


def _runs(first: int, last: int, counts: Sequence[int], frames: Sequence[int]) -> Iterator[Run]:
    """What lies from one region to another, both counted over all scans."""
    for scan, (regions, held) in enumerate(zip(counts, frames, strict=True)):
        begin, end = max(first, 0), min(last, regions)
        if begin < end:
            yield Run(scan, range(begin * held // regions, end * held // regions), end - begin)
        first, last = first - regions, last - regions


def cut(positions: Positions, regions: int, most: int, random: Generator) -> list[Rows]:
    """Rows of frames (K, 2) in so many compact regions, of at most `most` frames each.

    Halved across the longer side, again and again (Bentley 1975, k-d trees), the borders a bit
    beside the middle. There must be at least as many frames as regions, and room for all of them.
    """
    return list(_cut(positions, np.arange(len(positions)), regions, most, random))


def _cut(
    positions: Positions, rows: Rows, regions: int, most: int, random: Generator
) -> list[Rows]:
    if regions == 1:
        return [np.sort(rows)]
    first = regions // 2 + int(random.integers(0, regions % 2 + 1))
    count = _border(len(rows), first, regions, most, random)
    axis = int(np.argmax(np.ptp(positions[rows], axis=0)))
    # Of a grid's equal coordinates the other one decides, else a border would have holes.
    order = rows[np.lexsort((positions[rows, 1 - axis], positions[rows, axis]))]
    return [
        *_cut(positions, order[:count], first, most, random),
        *_cut(positions, order[count:], regions - first, most, random),
    ]


def _border(frames: int, first: int, regions: int, most: int, random: Generator) -> int:
    """How many frames go to the first `first` regions, so that there is room in either half."""
    count = round(frames / regions * (first + random.uniform(-SHIFT, SHIFT)))
    rest = regions - first
    count = max(count, first, frames - rest * most)
    return min(count, frames - rest, first * most)
