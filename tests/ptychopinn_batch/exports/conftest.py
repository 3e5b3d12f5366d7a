"""A small reconstructed scan whose truth is known, as exporters take it."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.source import Geometry
from ptychopinn_batch.exports.result import Result

N, SIDE, PHOTONS = 16, 6, 3e4
GEOMETRY = Geometry(energy_ev=8800.0, distance_m=1.9, detector_pixel_m=75e-6)


@dataclass
class MemoryStore:
    """What exporters ask of a scan store, in memory and in a shuffled order."""

    info: SimpleNamespace
    positions: torch.Tensor
    probe: torch.Tensor
    mask: torch.Tensor | None
    scan_index: torch.Tensor
    original_row: torch.Tensor
    frames: torch.Tensor
    recorded_positions: torch.Tensor | None = None

    def amplitudes(self, rows):
        values = torch.from_numpy(self.frames.numpy()[rows.numpy()].astype(np.float32))
        values = values if self.mask is None else values * self.mask
        return values if self.info.measurement == "amplitude" else values.sqrt()


def probe():
    y, x = np.mgrid[:N, :N] - N // 2
    spot = np.exp(-(x**2 + y**2) / 18 + 0.03j * (x**2 - 0.5 * y**2 + x * y))
    spot *= np.sqrt(PHOTONS / (np.abs(spot) ** 2).sum())
    return torch.tensor(spot[None], dtype=torch.complex64)


def positions(random):
    axis = 20 + 3.0 * np.arange(SIDE)
    grid = np.stack(np.meshgrid(axis, axis + 4), -1).reshape(-1, 2)
    return grid + random.uniform(-0.5, 0.5, grid.shape)


@pytest.fixture
def make_result():
    return build_result


def build_result(
    *,
    geometry=GEOMETRY,
    scan_index=None,
    bad_pixel=None,
    measurement="counts",
    dtype="uint16",
    gain=1.0,
    zero_m=None,
    **changes,
):
    """A result whose object is the truth; frames are counts with Poisson noise, times a gain."""
    random = np.random.default_rng(0)
    where = positions(random)
    canvas = Canvas.around(where, N, geometry.pixel_size(N) if geometry else None)
    field = random.normal(size=(2, *canvas.shape))
    obj = ((1 + 0.1 * field[0]) * np.exp(0.6j * field[1])).astype(np.complex64)
    corners, fractions = (torch.from_numpy(v) for v in canvas.corners(where, N))
    waves = physics.exit_to_detector(
        torch.from_numpy(obj), corners, physics.shifted(probe(), fractions)
    )
    counts = random.poisson(physics.intensity(waves).numpy()) * gain
    frames = np.sqrt(counts) if measurement == "amplitude" else counts
    shuffled = torch.from_numpy(random.permutation(len(where)))
    index = np.arange(len(where)) if scan_index is None else np.asarray(scan_index)
    mask = None
    if bad_pixel is not None:
        mask = torch.ones(N, N, dtype=torch.bool)
        mask[bad_pixel] = False
    store = MemoryStore(
        info=SimpleNamespace(
            measured_with={},
            frames=len(where),
            n=N,
            modes=1,
            photons=PHOTONS,
            amplitude_max=float(np.sqrt(counts.max())),
            geometry=geometry,
            zero_m=zero_m,
            origin="memory",
            measurement=measurement,
        ),
        positions=torch.from_numpy(where)[shuffled],
        probe=probe(),
        mask=mask,
        scan_index=torch.from_numpy(index)[shuffled],
        original_row=shuffled,
        frames=torch.from_numpy(frames[shuffled.numpy()].astype(dtype)),
    )
    light = np.zeros(canvas.shape, np.float32)
    for x, y in corners.tolist():
        light[y : y + N, x : x + N] += np.abs(probe()[0].numpy()) ** 2
    light /= light.max()
    seen = light > 1e-3
    result = Result(
        title="star (default)",
        store=store,
        canvas=canvas,
        object=np.where(seen, obj, np.nan).astype(np.complex64),
        seen=seen,
        weight=light,
    )
    for name, value in changes.items():
        object.__setattr__(result, name, value)
    return result
