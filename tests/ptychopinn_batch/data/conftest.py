"""A small scan as PtychoPINN's NPZ contract has it, to be changed by each test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptychopinn_batch.data.source import ArrayFrames, RawScan

N, FRAMES = 16, 20

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


@pytest.fixture
def save(tmp_path) -> Save:
    """Writes the scan with some arrays replaced, or left out where None is given."""

    def write(compressed: bool = False, name: str = "scan.npz", **changes: Any) -> Path:
        arrays = {k: v for k, v in (contract() | changes).items() if v is not None}
        path = tmp_path / name
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return write


@pytest.fixture
def raw() -> RawScan:
    """The same scan in memory, with a reference under its positions."""
    arrays = contract()
    random = np.random.default_rng(2)
    reference = np.exp(1j * random.uniform(-1, 1, (60, 50))).astype(np.complex64)
    return RawScan(
        frames=ArrayFrames(arrays["diff3d"]),
        measurement="counts",
        positions=np.stack([arrays["xcoords"], arrays["ycoords"]], 1),
        probe=arrays["probeGuess"][None],
        scan_index=np.arange(100, 100 + FRAMES),
        origin="test",
        reference=reference,
    )
