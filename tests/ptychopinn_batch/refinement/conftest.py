"""A small scan of which everything is known, as one region, and the network that ships."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from ptychopinn_batch import load_model, physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.region import Region, Scale
from ptychopinn_batch.simulate import fields, probes
from ptychopinn_batch.simulate.objects import complex_object
from tests.threads import threads_of_torch

N, SIDE, MARGIN = 32, 10, 8  # of a frame in pixels; frames in a row; room around them in pixels


@dataclass(frozen=True)
class Truth:
    """A region without noise, and the object (H, W) that explains it exactly."""

    object: torch.Tensor
    region: Region

    def recorded(self, **changes):
        """The region as a scan might say that it is."""
        return replace(self.region, **changes)


def truth_of(probe, good=None):
    """Frames on a jittered grid, with fractions, of an object that has no symmetry."""
    random = np.random.default_rng(3)
    row, column = np.divmod(np.arange(SIDE**2), SIDE)
    positions = 4.0 * np.stack([column, row], 1) + random.uniform(-0.8, 0.8, (SIDE**2, 2))
    canvas = Canvas.around(positions, N).grown(MARGIN)
    corners, fractions = map(torch.from_numpy, canvas.corners(positions, N))
    side = max(canvas.shape)
    pictures = fields.power_law(side, random), fields.power_law(side, random)
    whole = complex_object(*pictures, lowest=0.5, phase_range=1.5)
    obj = torch.from_numpy(np.ascontiguousarray(whole[: canvas.height, : canvas.width]))
    probes_there = physics.shifted(probe, fractions)
    waves = physics.exit_to_detector(obj, corners, probes_there)
    amplitudes = physics.intensity(waves).sqrt()
    light = torch.zeros(canvas.shape)
    physics.add_illumination(light, corners, probes_there)
    scale = Scale(float(light.max()), float(amplitudes.max()))
    if good is not None:
        amplitudes = amplitudes * good
    return Truth(obj, Region(corners, fractions, probe, amplitudes, canvas.shape, scale, good))


def lens(defocus):
    """One mode (1, N, N), 90 % of it within 0.2 N."""
    aperture = probes.aperture_of_radius(N, 0.2 * N, defocus=4.0, stop=0.0)
    return torch.from_numpy(probes.lens(N, aperture, defocus=defocus, stop=0.0)[None] * 1e3)


@pytest.fixture(scope="session")
def truth():
    return truth_of(lens(4.0))


@pytest.fixture(scope="session")
def bad_pixels():
    """The same, with every twentieth pixel of the detector bad."""
    good = torch.from_numpy(np.random.default_rng(5).random((N, N)) > 0.05)
    return truth_of(lens(4.0), good)


@pytest.fixture(scope="session")
def network():
    return load_model().network


@pytest.fixture(autouse=True)
def in_one_thread():
    with threads_of_torch(1):
        yield
