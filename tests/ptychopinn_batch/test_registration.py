"""Two objects laid on each other: a shift is found and undone, where they are the same at all."""

import numpy as np
import pytest

from ptychopinn_batch.registration import in_one_gauge

SIDE = 96


def smooth(seed):
    """A periodic random field of structures of some pixels."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(SIDE, SIDE)))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    image = np.fft.ifft2(spectrum * np.exp(-((frequency / 0.12) ** 2))).real
    return image / image.std()


OBJECT = ((1 + 0.1 * smooth(0)) * np.exp(0.5j * smooth(1))).astype("c8")
SEEN = np.ones((SIDE, SIDE), bool)


def moved(image, y, x):
    ramp = np.fft.fftfreq(SIDE)[:, None] * y + np.fft.fftfreq(SIDE) * x
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * ramp)).astype("c8")


@pytest.mark.parametrize("shift", [(0.3, -0.4), (2.6, 1.1), (-4.0, 0.5)])
def test_a_shift_is_undone(shift):
    pair = in_one_gauge(moved(OBJECT, *shift) * 2.5j, OBJECT, SEEN)
    assert pair.shift == pytest.approx(np.hypot(*shift), abs=0.03)
    inner = (slice(8, -8), slice(8, -8))
    np.testing.assert_allclose(pair.object[inner], pair.reference[inner], atol=0.03)


def test_the_same_is_left_as_it_is():
    assert in_one_gauge(OBJECT, OBJECT, SEEN).shift == 0


def test_what_was_hardly_seen_is_not_compared():
    assert in_one_gauge(OBJECT, OBJECT, np.arange(SIDE) * SEEN > 60) is None


@pytest.mark.parametrize("seed", range(8))
def test_long_narrow_images_that_have_nothing_in_common_are_compared_as_they_are(seed):
    parts = np.random.default_rng(seed).normal(size=(2, 16, 120, 2)).astype("f4")
    one, other = parts.view("c8")[..., 0]
    pair = in_one_gauge(one, other, np.ones((16, 120), bool))
    assert pair.object.size > 0
    assert pair.shift < 1.6
