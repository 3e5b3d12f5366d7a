"""Errors of an object against the truth: what frames do not fix is matched, the rest is told."""

import numpy as np
import pytest
from quality_bench.fidelity import fidelity, matched, scales

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.registration import in_one_gauge

SIDE = 128
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
INSIDE = (slice(16, 112), slice(16, 112))


def field(seed, low_pass=0.12):
    """A periodic random field without the highest frequencies, unit deviation."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(SIDE, SIDE)))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    image = np.fft.ifft2(spectrum * np.exp(-((frequency / low_pass) ** 2))).real
    return image / image.std()


TRUTH = ((1 + 0.1 * field(0)) * np.exp(0.5j * field(1))).astype("c8")


def moved(image, y, x):
    ramp = np.fft.fftfreq(SIDE)[:, None] * y + np.fft.fftfreq(SIDE) * x
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * ramp)).astype("c8")


def compare(obj, truth=TRUTH):
    seen = np.ones((96, 96), bool)
    return fidelity(in_one_gauge(obj[INSIDE].astype("c8"), truth[INSIDE], seen))


def test_the_truth_has_no_errors():
    found = compare(TRUTH)
    assert (found.amp_mae, found.phase_mae, found.shift) == pytest.approx((0, 0, 0), abs=1e-5)
    similar = (found.amp_ssim, found.phase_ssim, found.amp_ms_ssim, found.phase_ms_ssim)
    assert similar == pytest.approx((1, 1, 1, 1), abs=1e-4)
    assert found.frc50 == 1
    assert not found.flat


@pytest.mark.parametrize("shift", [(0.3, -0.4), (2.6, 1.1), (-4.0, 0.5)])
def test_a_shift_is_found_and_undone(shift):
    turned = moved(TRUTH, *shift) * 2.5 * np.exp(1j + 0.2j * ROWS - 0.1j * COLUMNS)
    found = compare(turned)
    assert found.shift == pytest.approx(np.hypot(*shift), abs=0.03)
    assert found.phase_mae < 0.01
    assert found.amp_ssim > 0.99


def test_what_is_not_the_same_object_is_not_shifted():
    assert compare(field(5) + 1j * field(6)).shift < 0.1 * 96


def test_errors_have_the_size_they_were_made_with():
    noise = np.random.default_rng(0).normal(size=(2, SIDE, SIDE)) * [[[0.03]], [[0.05]]]
    amplitude, phase = np.abs(TRUTH) + noise[0], np.angle(TRUTH) + noise[1]
    found = compare(amplitude * np.exp(1j * phase))
    assert found.amp_mae == pytest.approx(0.03 * np.sqrt(2 / np.pi), rel=0.05)
    assert found.phase_mae == pytest.approx(0.05 * np.sqrt(2 / np.pi), rel=0.05)
    peak = np.ptp(np.angle(TRUTH[INSIDE]))
    assert found.phase_psnr == pytest.approx(20 * np.log10(peak / 0.05), abs=0.3)


def test_phases_are_compared_on_the_circle():
    strong = np.exp(4j * field(1)).astype("c8")
    found = compare(strong * np.exp(0.02j * field(7)), strong)
    assert found.phase_mae == pytest.approx(0.016, abs=0.004)


def test_resolution_ends_where_frequencies_are_lost():
    sharp = ((1 + 0.1 * field(0, 10)) * np.exp(0.5j * field(1, 10))).astype("c8")
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    noise = np.fft.fft2(np.random.default_rng(2).normal(size=(SIDE, SIDE)))
    blurred = np.fft.ifft2(np.where(frequency < 0.25, np.fft.fft2(sharp), noise))
    assert compare(blurred, sharp).frc50 == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("flat", [np.ones_like(TRUTH), np.abs(TRUTH), TRUTH / np.abs(TRUTH)])
def test_a_lost_phase_or_amplitude_is_called_flat(flat):
    assert compare(flat).flat


def test_a_pure_phase_has_no_amplitude_to_compare():
    pure = np.exp(0.5j * field(1)).astype("c8")
    found = compare(pure, pure)
    assert (found.amp_ssim, found.amp_psnr, found.amp_ms_ssim) == (None, None, None)
    assert not found.flat


def test_unseen_pixels_are_left_out():
    obj, seen = TRUTH[INSIDE].copy(), np.ones((96, 96), bool)
    obj[30:50, 30:50], seen[30:50, 30:50] = np.nan, False
    found = fidelity(in_one_gauge(obj, TRUTH[INSIDE], seen))
    assert found.phase_mae == pytest.approx(0, abs=1e-5)
    assert found.amp_ssim == pytest.approx(1)


def test_objects_are_compared_in_the_pixels_of_the_scan():
    canvas = Canvas(x0=10, y0=-6, height=120, width=100)
    obj = np.zeros(canvas.shape, np.complex64)
    obj[6:, :] = TRUTH[:114, 10:110]
    axis = np.linspace(20, 100, 11)
    positions = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    pair = matched(obj, np.ones(canvas.shape, bool), TRUTH, canvas, positions)
    assert fidelity(pair).phase_mae < 1e-4


@pytest.mark.parametrize(
    ("side", "fit"), [(10, 0), (11, 1), (22, 2), (43, 2), (44, 3), (99, 4), (176, 5)]
)
def test_multi_scale_similarity_has_as_many_scales_as_fit(side, fit):
    assert scales(side) == fit
    if fit:
        image = np.random.default_rng(0).random((side, side)).astype("c8") + 1j
        found = fidelity(in_one_gauge(image, image, np.ones((side, side), bool)))
        assert found.amp_ms_ssim == pytest.approx(1, abs=1e-3)
