"""A small scan as PtychoPINN's NPZ contract has it, to be changed by each test."""

from pathlib import Path
from typing import Any

import numpy as np

N, FRAMES = 16, 20


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


def write_contract(path: Path, compressed: bool = False, **changes: Any) -> Path:
    """The scan with some arrays replaced, or left out where None is given."""
    arrays = {key: value for key, value in (contract() | changes).items() if value is not None}
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path
