"""Regions cut from measured scans, and which frames are held out of a reconstruction."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.region import Region, Scale
from ptychopinn_batch.training.split import every_so_manieth


def held_out(frames: int, share: float) -> Tensor:
    """Which frames (frames,) of a scan are held out: bool, every so-manieth along the store.

    Store order is space-filling, so held-out frames lie evenly between others that overlap them.
    """
    if share <= 0:
        return torch.zeros(frames, dtype=torch.bool)
    chosen = torch.zeros(frames, dtype=torch.bool)
    chosen[torch.from_numpy(every_so_manieth(frames, share))] = True
    return chosen


def cut_region(
    store: ScanStore, rows: NDArray[np.int64], canvas: Canvas, *, with_amplitudes: bool = True
) -> Region:
    """The region of these frames on a canvas that holds all their patches.

    Without amplitudes they are (0, N, N), to be put in later.
    """
    positions = store.positions.numpy()[rows]
    corners, fractions = map(torch.from_numpy, canvas.corners(positions, store.info.n))
    return Region(
        corners=corners,
        fractions=fractions,
        probe=store.probe,
        amplitudes=store.amplitudes(torch.from_numpy(rows if with_amplitudes else rows[:0])),
        shape=canvas.shape,
        scale=Scale(illumination=store.info.illumination_max, amplitude=store.info.amplitude_max),
        good=store.mask,
    )


def around(
    positions: NDArray[np.float64], centre: NDArray[np.float64], window: float, most: int
) -> NDArray[np.int64]:
    """Frames (rows) whose centres lie in a square window, made smaller until it holds `most`.

    Neighbourhoods are cut by area, not by count: a count would follow the scan's density.
    """
    distance = np.abs(positions - centre).max(1)
    inside = np.flatnonzero(distance <= window / 2)
    if len(inside) > most:
        limit = np.partition(distance[inside], most)[most]
        inside = inside[distance[inside] < limit]
    return inside
