"""A scan that is physics, to be written in every format, and how scans are read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptychopinn_batch.data.intake import Intake
from ptychopinn_batch.data.source import ArrayFrames, Geometry, RawScan
from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.readers.opened import input_files, read_scan
from ptychopinn_batch.simulate.scan import simulate_scan

GEOMETRY = Geometry(energy_ev=8800.0, distance_m=1.9, detector_pixel_m=75e-6)


def frames_of(raw: RawScan, size: int = 7) -> np.ndarray:
    return np.concatenate(list(raw.frames.blocks(size)))


def read(path: Path, **options: Any) -> RawScan:
    return read_scan(Scan(path=str(path), **options))


def take_all(scan: Scan) -> None:
    """What a plan and then the prepare stage do with a scan."""
    input_files(scan)
    raw = read_scan(scan)
    good = None if raw.bad_pixels is None else ~raw.bad_pixels
    intake = Intake(len(raw.frames), raw.measurement, good, raw.origin)
    for block in raw.frames.blocks(7):
        intake.take(block)
    intake.dose()


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
