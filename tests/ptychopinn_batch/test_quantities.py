"""Quantities are said as one says them, each in the unit that suits."""

import pytest

from ptychopinn_batch.quantities import duration, length


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (245, "4 min 05 s"),
        (12000, "3 h 20 min"),
        (360000, "100 h 00 min"),
    ],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("metres", "words"),
    [
        (2e-6, "2 µm"),
        (5e-8, "50 nm"),
        (2.34e-8, "23.4 nm"),
        (1e-3, "1 mm"),
        (1e-3 * (1 - 1e-12), "1 mm"),
        (2e-11, "20 pm"),
        (1.9, "1.9 m"),
    ],
)
def test_lengths(metres, words):
    assert length(metres) == words


def test_a_length_may_have_more_digits():
    assert length(1.23456e-6, digits=4) == "1.235 µm"
