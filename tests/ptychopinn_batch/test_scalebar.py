"""Scale bars: round lengths."""

import pytest

from ptychopinn_batch.scalebar import nice_length


@pytest.mark.parametrize(
    ("longest", "length"), [(1.0, 1.0), (1.9, 1.0), (4.7e-6, 2e-6), (9.9e-9, 5e-9), (5.0, 5.0)]
)
def test_scale_bars_have_round_lengths(longest, length):
    assert nice_length(longest) == pytest.approx(length)
