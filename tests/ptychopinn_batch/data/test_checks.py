"""Steps, light and overlap: what they are said to be on scans where that is known."""

import numpy as np
import pytest

from hpc.errors import UserError
from ptychopinn_batch.data.checks import check_overlap, lit_diameter, step_between


def grid(rows: int, columns: int, *, down: float, across: float) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    return np.stack([x * across, y * down], -1).reshape(-1, 2).astype(float)


def test_the_step_of_a_grid_is_its_step():
    assert step_between(grid(9, 9, down=5, across=5)) == 5


def test_the_step_of_a_fly_scan_is_not_the_small_one_along_its_lines():
    lines = grid(9, 90, down=20, across=2)
    assert step_between(lines, neighbour=1) == 2
    assert step_between(lines) == 4


def test_jitter_and_repeated_positions_hardly_change_a_step():
    points = grid(20, 20, down=5, across=5)
    moved = points + np.random.default_rng(0).uniform(-1, 1, points.shape)
    assert step_between(moved) == pytest.approx(5, rel=0.2)
    assert step_between(np.concatenate([points, points])) == 5
    assert step_between(np.concatenate([points, points]), neighbour=1) == 0


@pytest.mark.parametrize("frames", [2, 3, 4])
def test_a_scan_of_a_few_frames_has_a_step(frames):
    assert np.isfinite(step_between(grid(1, frames, down=3, across=3)))


def test_the_lit_diameter_is_that_of_a_disc_with_nine_tenths_of_its_light():
    y, x = np.mgrid[:64, :64] - 32
    disc = (x**2 + y**2 <= 20**2).astype(np.complex64)
    assert lit_diameter(disc[None]) == pytest.approx(2 * 20 * 0.9**0.5, rel=0.05)


def test_frames_whose_nearest_neighbour_is_beyond_the_probe_do_not_overlap():
    apart = grid(5, 5, down=30, across=30)
    check_overlap(apart, 31, "a.npz", "")
    with pytest.raises(UserError, match=r"neighbours are 30 pixels apart .* lights up 29 pixels"):
        check_overlap(apart, 29, "a.npz", "")
