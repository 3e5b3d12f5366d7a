"""Scans of any number of frames, from the store's own generator: no file of gigabytes is needed.

Frames come again and again from a bank of a few simulated ones. So a picture means nothing,
but every byte is there: what is measured is memory and speed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from speed_bench.scans import Work, work_of

from ptychopinn_batch.data.source import GeneratedFrames, RawScan
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan

N = 64
BANK = 256  # frames: so few that they are nothing beside the rest
TILE = 384  # pixels: a chosen one grows with the scan, up to a limit
STEPS = 2  # memory is the same for any number

_MAKE = """
import sys, numpy
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.layout import recorded_positions
path, frames, n = sys.argv[1], *map(int, sys.argv[2:])
numpy.save(path, recorded_positions(Simulation(frames=frames, frame_size=n)))
"""
_SCAN = "simulate: {{frames: {frames}, frame_size: {n}, photons: 1.0e5}}"


def raw_scan(frames: int, n: int = N) -> RawScan:
    """uint16 frames at the positions of a simulated scan of that size."""
    small = simulate_scan(Simulation(frames=BANK, frame_size=n, photons=1e5))
    bank = _bank(small)
    return RawScan(
        frames=GeneratedFrames(
            count=frames,
            n=n,
            dtype=bank.dtype,
            generate=lambda first, end: bank[np.arange(first, end) % len(bank)],
        ),
        measurement="counts",
        positions=_positions(frames, n),
        probe=small.probe,
        scan_index=np.arange(frames, dtype=np.int64),
        origin="simulated",
    )


def _positions(frames: int, n: int) -> NDArray[np.float64]:
    """Made by another process: what it takes to make them is not what is measured."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "positions.npy"
        subprocess.run([sys.executable, "-c", _MAKE, path, str(frames), str(n)], check=True)
        return np.asarray(np.load(path, allow_pickle=False))


def _bank(scan: RawScan) -> NDArray[np.uint16]:
    blocks = np.concatenate(list(scan.frames.blocks(BANK)))
    return blocks.clip(max=np.iinfo(np.uint16).max).astype(np.uint16)


def work_at(frames: int, folder: Path) -> Work:
    """Its tasks; the store is to be built where the first would build it."""
    return work_of(_SCAN.format(frames=frames, n=N), STEPS, folder, tile=TILE)
