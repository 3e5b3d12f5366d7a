"""A small simulated scan as a store, made once for all tests that read one."""

import pytest

from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan

SMALL_SCAN = Simulation(frames=900, frame_size=32, step=3.5, probe_radius=0.14, photons=1e6)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory) -> ScanStore:
    folder = tmp_path_factory.mktemp("stores") / "small"
    build_store(simulate_scan(SMALL_SCAN), folder)
    return ScanStore.open(folder)
