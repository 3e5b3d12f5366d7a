"""The scan of PtychoPINN's NPZ contract in memory."""

import numpy as np
import pytest

from ptychopinn_batch.data.source import ArrayFrames, RawScan

from ..contract import FRAMES, contract


@pytest.fixture
def raw() -> RawScan:
    """The scan of the contract, with a reference under its positions."""
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
