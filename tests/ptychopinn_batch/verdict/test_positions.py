"""Shifts of the frames: their size, and what of them is a stretch or a turn of the whole scan."""

import numpy as np
import pytest

from ptychopinn_batch.verdict.frames import floor_of
from ptychopinn_batch.verdict.positions import position_errors, without_affine
from ptychopinn_batch.verdict.sample import residual


@pytest.fixture(scope="module")
def found_of(sampled):
    """The position errors of a scan with some of its fields changed."""

    def find(scan, **changes):
        sample = sampled(scan, **changes)
        obj = sample.reconstructed(sample.region, 16).object
        return position_errors(sample, residual(obj, sample.region), floor_of(obj, sample.region))

    return find


def test_right_positions_stay(raw, found_of):
    assert found_of(raw).shift_rms < 0.3


def test_errors_are_measured_in_pixels(raw, found_of):
    error = np.random.default_rng(1).normal(0, 3 / 2**0.5, raw.positions.shape)
    found = found_of(raw, positions=raw.positions + error)
    assert 1 < found.shift_rms < 5
    assert found.explained.share > 0.25


def test_a_stretch_of_all_shifts_is_told_from_their_scatter():
    random = np.random.default_rng(0)
    corners, scatter = random.uniform(0, 50, (400, 2)), random.normal(0, 0.1, (400, 2))
    matrix, left = without_affine(corners, 0.04 * corners + scatter)
    np.testing.assert_allclose(matrix, 0.04 * np.eye(2), atol=0.003)
    assert np.std(left) == pytest.approx(0.1, rel=0.1)
