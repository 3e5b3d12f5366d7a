"""Scale bars: round lengths, with their units."""

import pytest

from ptychopinn_batch.scalebar import metres, nice_length


@pytest.mark.parametrize(
    ("longest", "length"), [(1.0, 1.0), (1.9, 1.0), (4.7e-6, 2e-6), (9.9e-9, 5e-9), (5.0, 5.0)]
)
def test_scale_bars_have_round_lengths(longest, length):
    assert nice_length(longest) == pytest.approx(length)


@pytest.mark.parametrize(
    ("length", "words"), [(2e-6, "2 µm"), (5e-8, "50 nm"), (1e-3, "1 mm"), (2e-11, "20 pm")]
)
def test_a_length_is_told_with_its_unit(length, words):
    assert metres(length) == words
