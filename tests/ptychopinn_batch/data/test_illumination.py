"""The brightest pixel of a canvas: the same as when every patch is added one by one."""

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data import illumination
from ptychopinn_batch.data.illumination import brightest


def probe(n: int) -> np.ndarray:
    y, x = np.mgrid[:n, :n] - n // 2
    modes = [np.exp(-((x - 1) ** 2 + y**2) / 12 + 0.2j * y), 0.5 * np.exp(-(x**2 + y**2) / 30) * x]
    return np.stack(modes).astype(np.complex64)


def added_up(canvas: Canvas, positions: np.ndarray, modes: np.ndarray) -> torch.Tensor:
    corners, fractions = map(torch.from_numpy, canvas.corners(positions, modes.shape[-1]))
    probes = physics.shifted(torch.from_numpy(modes), fractions)
    light = torch.zeros(canvas.shape)
    physics.add_illumination(light, corners, probes)
    return light


@pytest.mark.parametrize("strip", [1, 2000, 10**6])
def test_at_halves_of_a_pixel_it_is_exact_however_the_canvas_is_cut(monkeypatch, strip):
    monkeypatch.setattr(illumination, "STRIP_PIXELS", strip)
    positions = np.random.default_rng(0).integers(-40, 200, (60, 2)) / 2
    canvas = Canvas.around(positions, 16)
    expected = float(added_up(canvas, positions, probe(16)).max())
    assert brightest(canvas, positions, probe(16)) == pytest.approx(expected, rel=1e-4)


def test_anywhere_else_it_is_right_to_a_few_percent():
    positions = np.random.default_rng(0).uniform(-20, 30, (300, 2))
    canvas = Canvas.around(positions, 16)
    expected = float(added_up(canvas, positions, probe(16)).max())
    assert brightest(canvas, positions, probe(16)) == pytest.approx(expected, rel=0.03)
