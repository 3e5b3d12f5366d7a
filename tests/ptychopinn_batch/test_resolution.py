"""Ring correlations of two images."""

import numpy as np
import pytest

from ptychopinn_batch.resolution import ring_correlation


@pytest.mark.parametrize("side", [64, 65, 186, 198])
def test_every_ring_up_to_the_finest_detail_is_there(side):
    image = np.exp(1j * np.random.default_rng(0).normal(size=(side, side + 3)))
    found = ring_correlation(image, image)
    assert found.frequency[-1] == pytest.approx(2 * (side // 2) / side)
    np.testing.assert_allclose(found.value, 1)
