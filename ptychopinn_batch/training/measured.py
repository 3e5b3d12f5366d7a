"""Regions cut from measured scans, and which frames of a scan are held out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.region import Region, Scale


def held_out(frames: int, share: float) -> Tensor:
    """Which frames (frames,) of a scan are held out: bool, every so-manieth along the store.

    Store order is space-filling, so held-out frames lie evenly between others that overlap them.
    """
    if share <= 0:
        return torch.zeros(frames, dtype=torch.bool)
    count = max(1, round(frames * share))
    rows = ((np.arange(count) + 0.5) * frames / count).astype(np.int64)
    chosen = torch.zeros(frames, dtype=torch.bool)
    chosen[torch.from_numpy(rows)] = True
    return chosen


def cut_region(store: ScanStore, rows: NDArray[np.int64], canvas: Canvas) -> Region:
    """The region of these frames on a canvas that holds all their patches."""
    positions = store.positions.numpy()[rows]
    corners, fractions = map(torch.from_numpy, canvas.corners(positions, store.info.n))
    return Region(
        corners=corners,
        fractions=fractions,
        probe=store.probe,
        amplitudes=store.amplitudes(torch.from_numpy(rows)),
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


def random_region(
    store: ScanStore, usable: NDArray[np.int64], window: float, most: int, random: Generator
) -> Region:
    """A window around a random usable frame, with the usable frames in it."""
    positions = store.positions.numpy()[usable]
    centre = positions[random.integers(len(positions))]
    rows = usable[around(positions, centre, window, most)]
    return cut_region(store, rows, Canvas.around(store.positions.numpy()[rows], store.info.n))
