"""Comparison with a reference: what frames do not fix does not count, everything else does."""

import numpy as np
import pytest

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.comparison import LARGEST, compare, scanned_area, similarity, without_plane

SIDE = 72
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]


def smooth(seed, passes=3):
    """A random field of some pixels' grain, zero mean, unit deviation."""
    field = np.random.default_rng(seed).normal(size=(SIDE, SIDE))
    for _ in range(passes):
        field = (field + np.roll(field, 1, 0) + np.roll(field, 1, 1) + np.roll(field, 2, 1)) / 4
    return (field - field.mean()) / field.std()


def sample(phase=0.5, amplitude=0.1, seed=0):
    return ((1 + amplitude * smooth(seed)) * np.exp(1j * phase * smooth(seed + 1))).astype("c8")


STRONG = sample(phase=1.0)
VERY_STRONG = sample(phase=4.0)


@pytest.mark.parametrize("obj", [sample(), STRONG, VERY_STRONG], ids=["weak", "strong", "wraps"])
def test_an_object_equals_itself(obj):
    result = similarity(obj, obj)
    assert (result.phase_corr, result.amp_ssim, result.phase_ssim) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("reference", [sample(), VERY_STRONG], ids=["weak", "wraps"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(np.exp(2.5j), id="global phase"),
        pytest.param(3.0, id="factor"),
        pytest.param(np.exp(0.02j * ROWS - 0.013j * COLUMNS), id="less than a turn"),
        pytest.param(np.exp(0.9j * ROWS - 0.31j * COLUMNS), id="plane of many turns"),
    ],
)
def test_what_frames_do_not_fix_does_not_count(reference, change):
    result = similarity((reference * change).astype("c8"), reference)
    assert (result.phase_corr, result.amp_ssim, result.phase_ssim) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.ones((SIDE, SIDE)), id="constant"),
        pytest.param(np.exp(0.9j * ROWS - 0.31j * COLUMNS), id="a plane"),
        pytest.param(1 + 1e-3 * smooth(7) + 1e-3j * smooth(8), id="nearly constant"),
    ],
)
@pytest.mark.parametrize("reference", [sample(), STRONG, VERY_STRONG])
def test_a_flat_object_scores_nothing(wrong, reference):
    result = similarity(wrong.astype("c8"), reference)
    assert (result.phase_corr, result.amp_ssim, result.phase_ssim) == (0, 0, 0)


@pytest.mark.parametrize("reference", [sample(), STRONG, VERY_STRONG])
def test_noise_scores_next_to_nothing(reference):
    random = np.random.default_rng(3)
    noise = np.exp(1j * random.uniform(-np.pi, np.pi, (SIDE, SIDE))) * random.random((SIDE, SIDE))
    result = similarity(noise.astype("c8"), reference)
    assert max(abs(v) for v in (result.phase_corr, result.amp_ssim, result.phase_ssim)) < 0.15


def test_an_object_of_the_wrong_sign_is_anticorrelated():
    assert similarity(sample().conj(), sample()).phase_corr < -0.9


def test_amplitude_and_phase_are_told_apart():
    phase_only = np.exp(1j * np.angle(sample())).astype("c8")
    result = similarity(phase_only, sample())
    assert result.phase_ssim == pytest.approx(1, abs=1e-3)
    assert result.amp_ssim == 0


def test_small_errors_next_to_the_cut_of_a_full_circle_stay_small():
    noisy = VERY_STRONG * np.exp(0.05j * np.random.default_rng(1).normal(size=(SIDE, SIDE)))
    assert similarity(noisy.astype("c8"), VERY_STRONG).phase_corr > 0.99


def test_a_reference_without_amplitude_contrast_is_compared_by_phase_alone():
    reference = np.exp(1j * smooth(2)).astype("c8")
    result = similarity(reference, reference)
    assert result.amp_ssim is None
    assert result.phase_corr == pytest.approx(1)


def test_unseen_pixels_are_left_out():
    reference, seen = sample(), np.ones((SIDE, SIDE), bool)
    seen[20:30, 40:50] = False
    result = similarity(np.where(seen, reference, np.nan).astype("c8"), reference, seen)
    assert (result.phase_corr, result.amp_ssim, result.phase_ssim) == pytest.approx((1, 1, 1))


def test_an_object_that_is_mostly_unseen_is_not_compared():
    seen = ROWS < 20
    assert similarity(sample(), sample(), seen) is None


def grid(low, high):
    axis = np.linspace(low, high, 11)
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)


def test_the_compared_area_is_the_box_of_most_frame_centres():
    canvas = Canvas(x0=4, y0=4, height=64, width=64)
    area = scanned_area(canvas, grid(20, 50), (SIDE, SIDE))
    assert (area.top, area.left, area.bottom, area.right) == (16, 16, 46, 46)


def test_of_a_wide_scan_the_middle_is_compared():
    canvas = Canvas(x0=0, y0=0, height=9000, width=300)
    area = scanned_area(canvas, grid(50, 250) * (1, 36), (9000, 300))
    assert area.shape == (LARGEST, 200)
    assert area.top + area.bottom == 1800 + 9000


def test_objects_are_compared_in_the_pixels_of_the_scan():
    reference = sample()
    canvas = Canvas(x0=10, y0=-6, height=70, width=60)
    obj = np.zeros(canvas.shape, np.complex64)
    obj[6:, :] = reference[: 70 - 6, 10:70]
    result = compare(obj, np.ones(canvas.shape, bool), reference, canvas, grid(16, 60))
    assert (result.phase_corr, result.amp_ssim) == pytest.approx((1, 1))


def test_a_reference_elsewhere_is_not_compared():
    canvas = Canvas(x0=500, y0=500, height=64, width=64)
    obj = np.ones(canvas.shape, np.complex64)
    assert compare(obj, obj == 1, sample(), canvas, grid(520, 540)) is None


def test_a_phase_is_shown_without_its_plane():
    plain = 0.5 * smooth(1)
    tilted = np.exp(1j * (plain + 0.8 * ROWS - 0.3 * COLUMNS + 2)).astype("c8")
    shown = without_plane(tilted, np.ones((SIDE, SIDE), bool))
    assert np.corrcoef(shown.ravel(), plain.ravel())[0, 1] > 0.999
    assert abs(shown.mean()) < 0.1
