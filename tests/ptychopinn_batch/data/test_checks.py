"""Steps, light and overlap: what they are said to be on scans where that is known."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from ptychopinn_batch.data.checks import (
    check_canvas,
    check_frame_shape,
    check_overlap,
    check_positions,
    check_probe,
    check_scan,
    lit_diameter,
    step_between,
)


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


def test_frames_whose_nearest_neighbour_is_beyond_the_probe_do_not_overlap(refusal_of):
    apart = grid(5, 5, down=30, across=30)
    check_overlap(apart, 31, "a.npz", "Move them")
    assert refusal_of(check_overlap, apart, 29, "a.npz", "Move them") == (
        "frames do not overlap: neighbours are 30 pixels apart (median), the probe lights up 29 "
        "pixels",
        "a.npz",
        "Move them",
    )


def test_frames_of_an_odd_size_are_cropped(refusal_of):
    assert refusal_of(check_frame_shape, 15, 15, "a.npz diff3d") == (
        "frames have an odd size, 15 x 15 pixels",
        "a.npz diff3d",
        "Write crop: 14",
    )


METRES = grid(5, 5, down=1e-7, across=1e-7)


@pytest.mark.parametrize(
    ("check", "positions", "expected"),
    [
        (
            check_positions,
            METRES[:1],
            ("a scan needs several frames, this one has 1", "Give a who"),
        ),
        (
            partial(check_canvas, n=16),
            METRES,
            (
                "all positions lie within 4e-07 pixels; they look like metres",
                "Positions are object",
            ),
        ),
    ],
)
def test_positions_are_those_of_a_scan_in_pixels(refusal_of, check, positions, expected):
    what, where, mend = refusal_of(check, positions, where="a.npz xcoords")
    assert (what, where, mend[: len(expected[1])]) == (expected[0], "a.npz xcoords", expected[1])


def test_a_probe_is_a_number_everywhere(refusal_of):
    probe = np.ones((1, 16, 16), complex)
    probe[0, 3, [4, 5]] = np.nan, np.inf
    assert refusal_of(check_probe, probe, 16, "a.npz probe") == (
        "the probe is NaN or infinite in 2 pixels",
        "a.npz probe",
        "Reconstruct it again, or give another one",
    )


def test_a_probe_has_a_phase(refusal_of):
    assert refusal_of(check_probe, np.ones((1, 16, 16), np.float32), 16, "a.npz probe") == (
        "the probe is real (float32), so its phase is missing",
        "a.npz probe",
        "Give the complex wave, not its amplitude",
    )


@pytest.mark.parametrize(("largest", "said"), [(1e20, "1e+20"), (1e-20, "1e-20")])
def test_a_probe_is_neither_too_bright_nor_too_dark_to_be_squared(refusal_of, largest, said):
    probe = np.full((1, 16, 16), largest, complex)
    assert refusal_of(check_probe, probe, 16, "a.npz probe") == (
        f"the probe's largest number is {said}",
        "a.npz probe",
        "Scale it to something near 1",
    )


def test_positions_are_not_so_far_off_that_their_fractions_are_lost(refusal_of):
    far = grid(5, 5, down=3, across=3) + 2e12
    what, where, mend = refusal_of(check_canvas, far, 16, "a.npz xcoords")
    assert (what, where) == ("positions are up to 2e+12 pixels from zero", "a.npz xcoords")
    assert mend.startswith("Positions are object pixels: divide lengths by")


def test_a_canvas_fits_into_memory(refusal_of, monkeypatch):
    room = SimpleNamespace(total=8e9)
    monkeypatch.setattr("ptychopinn_batch.data.checks.psutil.virtual_memory", lambda: room)
    wide = grid(2, 2, down=30_000, across=19_983)
    probe = np.ones((1, 16, 16), np.complex64)
    places = {"positions_at": "a.cxi xy", "probe_at": "a.cxi probe", "unit": "m"}
    assert refusal_of(check_scan, wide, probe, 16, **places) == (
        "the canvas would be 30017 x 20000 pixels and take 9.61 GB (this machine has 8): positions "
        "span 3e+04 pixels",
        "a.cxi xy",
        "Check position_unit, energy_ev, distance_m and detector_pixel_m",
    )
