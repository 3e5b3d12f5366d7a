"""Which frame was taken where: row by row, or by index as Ptychodus pairs them. Pure.

Frames rule: duplicate indexes of positions are averaged, a frame between two positions without one
of its own gets one in between, frames beyond all positions are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.readers.recording import Recording, Track


@dataclass(frozen=True)
class Pairs:
    """Rows (K,) of the frames that have a position, increasing, and their positions (K, 2)."""

    rows: NDArray[np.int64]
    xy: NDArray[np.float64]
    notes: tuple[str, ...] = ()


def paired(recording: Recording) -> Pairs:
    """All frames of a recording that have a position. UserError where they do not go together."""
    track, count = recording.track, recording.pictures.shape[0]
    if track is None:
        mend = "Write files.positions: a table of them; of HDF5 datasets.positions, or x and y"
        raise UserError("there are no positions", where=str(recording.path), mend=mend)
    if recording.index is not None and len(recording.index) != count:
        what = f"{len(recording.index)} indexes are given for {count} frames"
        raise UserError(what, where=recording.at("frames"), mend="Give one index per frame")
    if track.index is None:
        return _row_by_row(track, count, recording.at("frames"))
    if recording.index is None:
        _refuse_from_one(track, track.index, count)
    frames = np.arange(count) if recording.index is None else recording.index
    return _by_index(track, track.index, frames)


def _refuse_from_one(track: Track, index: NDArray[np.int64], count: int) -> None:
    """Frames count from 0: positions that count from 1 would all be those of a neighbour."""
    if len(index) == count and (index.min(), index.max()) == (1, count):
        what = f"their numbers are 1 to {count}, but frames are counted from 0"
        raise UserError(what, where=track.at, mend="Count from 0, or leave the numbers out")


def _row_by_row(track: Track, count: int, where: str) -> Pairs:
    if len(track.xy) != count:
        what = f"positions are given for {len(track.xy)} frames, but there are {count}"
        raise UserError(what, where=f"{where}, {track.at}", mend="Give one position per frame")
    return Pairs(np.arange(count), track.xy)


def _by_index(track: Track, index: NDArray[np.int64], frames: NDArray[np.int64]) -> Pairs:
    if not (np.isfinite(track.xy).all() and len(track.xy)):
        return _broken(track, index, frames)
    known, inverse, times = np.unique(index, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(inverse, track.xy[:, axis]) / times for axis in (0, 1)], 1)
    rows = np.flatnonzero((frames >= known[0]) & (frames <= known[-1]))
    if not len(rows):
        what = (
            f"frames have indexes {frames.min()} to {frames.max()}, positions {known[0]} to "
            f"{known[-1]}: none is the same"
        )
        raise UserError(what, where=track.at, mend="Give the frames' own indexes")
    used = frames[rows]
    xy = np.stack([np.interp(used, known, means[:, axis]) for axis in (0, 1)], 1)
    return Pairs(rows, xy, tuple(_notes(track, len(frames) - len(rows), known, used)))


def _broken(track: Track, index: NDArray[np.int64], frames: NDArray[np.int64]) -> Pairs:
    """Frames at positions that are no numbers, for the check that names them."""
    row = {int(number): at for at, number in enumerate(index)}
    rows = np.array([at for at, number in enumerate(frames) if int(number) in row], np.int64)
    return Pairs(rows, track.xy[[row[int(frames[at])] for at in rows]].reshape(-1, 2))


def _notes(
    track: Track, left_out: int, known: NDArray[np.int64], used: NDArray[np.int64]
) -> list[str]:
    """What happened to frames and positions that are not one to one."""
    between = int(np.count_nonzero(~np.isin(used, known)))
    unused = int(np.count_nonzero(~np.isin(known, used)))
    told = {
        f"{left_out} frames beyond all positions are left out": left_out,
        f"{between} frames without a position got one between their neighbours'": between,
        f"{len(track.xy) - len(known)} repeated positions were averaged": len(track.xy)
        - len(known),
        f"{unused} positions have no frame": unused,
    }
    return [text for text, count in told.items() if count]
