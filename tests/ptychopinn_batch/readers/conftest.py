"""Small scans to be written in every format: one whose numbers are made up, one that is physics."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptychopinn_batch.data.source import ArrayFrames, Geometry, RawScan
from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.readers.opened import read_scan
from ptychopinn_batch.simulate.scan import simulate_scan

N, FRAMES = 16, 20
GEOMETRY = Geometry(energy_ev=8800.0, distance_m=1.9, detector_pixel_m=75e-6)

Save = Callable[..., Path]


def contract(dtype: str = "uint16") -> dict[str, Any]:
    """Counts, an asymmetric probe and positions: 4 x 5 frames, 2 pixels apart."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:N, :N] - N // 2
    probe = np.exp(-(x**2 + y**2) / 18) * np.exp(1j * (0.3 * x - 0.05 * y**2))
    row, column = np.divmod(np.arange(FRAMES), 5)
    return {
        "diff3d": random.poisson(np.abs(np.fft.fftshift(np.fft.fft2(probe))) + 1, (FRAMES, N, N))
        .astype(dtype)
        .clip(1),
        "xcoords": 20.25 + 2.0 * column,
        "ycoords": 30.5 + 2.0 * row,
        "probeGuess": probe.astype(np.complex64),
    }


def frames_of(raw: RawScan, size: int = 7) -> np.ndarray:
    return np.concatenate(list(raw.frames.blocks(size)))


def read(path: Path, **options: Any) -> RawScan:
    return read_scan(Scan(path=str(path), **options))


@pytest.fixture
def save(tmp_path) -> Save:
    """Writes the contract's scan with some arrays replaced, or left out where None is given."""

    def write(compressed: bool = False, name: str = "scan.npz", **changes: Any) -> Path:
        arrays = {k: v for k, v in (contract() | changes).items() if v is not None}
        path = tmp_path / name
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return write


@pytest.fixture(scope="session")
def physical() -> RawScan:
    """Counts of two modes and three bad pixels, the object known, placed far from the origin."""
    settings = Simulation(
        frames=30, frame_size=32, step=3.0, modes=2, bad_pixels=3, photons=1e5, object="field"
    )
    raw = simulate_scan(settings)
    return replace(
        raw,
        frames=ArrayFrames(frames_of(raw)),
        scan_index=np.arange(30) * 2 + 7,
        geometry=GEOMETRY,
        zero_m=(1.25e-3, -3e-4),
        origin="physical.npz",
    )
