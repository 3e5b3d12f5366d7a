"""Small scans with a known fault, and the network that asks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import ArrayFrames
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.verdict.examine import shipped
from ptychopinn_batch.verdict.sample import Sample

SCAN = Simulation(
    frames=100, frame_size=32, step=3.5, probe_radius=0.16, photons=1e6, probe="ring", seed=3
)


@pytest.fixture(scope="session")
def network():
    return shipped(torch.device("cpu"))


@pytest.fixture(scope="session")
def raw():
    """A sound scan with its frames in memory."""
    made = simulate_scan(SCAN)
    frames = np.concatenate(list(made.frames.blocks(50))).astype(np.int64)
    return replace(made, frames=ArrayFrames(frames))


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """Makes the store of a scan."""

    def make(scan):
        return build_store(scan, tmp_path_factory.mktemp("verdict") / "store")

    return make


@pytest.fixture(scope="session")
def sampled(stored, network):
    """Makes the sample of a scan with some of its fields changed."""

    def make(scan, **changes):
        return Sample.of(stored(replace(scan, **changes)), network)

    return make


@pytest.fixture(scope="session")
def with_frames(raw):
    """Makes the scan with its frames (K, N, N), DC in the middle, put through a function."""

    def make(change):
        frames = raw.frames.array.copy()
        change(frames)
        return replace(raw, frames=ArrayFrames(frames))

    return make
