"""What a network sees of an update at coarser scales."""

import pytest
import torch

from ptychopinn_batch.networks.scales import bands, local_mean

LIGHT = torch.ones(1, 1, 64, 64)


def wave(period: float) -> torch.Tensor:
    """(1, 2, 64, 64): a wave along x in the first channel."""
    x = torch.arange(64)
    image = torch.zeros(1, 2, 64, 64)
    image[0, 0] = torch.sin(2 * torch.pi * x / period)
    return image


def test_a_band_is_in_units_of_its_own_size():
    image = torch.randn(1, 2, 64, 64)
    for one, other in zip(bands(image, LIGHT, 3), bands(100 * image, LIGHT, 3), strict=True):
        torch.testing.assert_close(one.update, other.update, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(100 * one.size, other.size, rtol=1e-3, atol=1e-3)


def test_slow_changes_stand_out_on_coarse_scales_however_small_they_are():
    slow, fast = wave(64), wave(8 / 3)
    coarsest = list(bands(0.01 * slow + fast, LIGHT, 3))[-1].update
    expected = list(bands(slow, LIGHT, 3))[-1].update
    assert (
        torch.corrcoef(torch.stack([coarsest[0, 0].flatten(), expected[0, 0].flatten()]))[0, 1]
        > 0.9
    )


def test_dark_pixels_have_no_say_in_a_mean():
    light = LIGHT.clone()
    light[..., 32:] = 0
    dirty = torch.where(light > 0, 1.0, 1e6).expand(1, 2, 64, 64)
    first = next(bands(dirty, light, 1))
    clean = next(bands(torch.ones(1, 2, 64, 64), light, 1))
    torch.testing.assert_close(first.update, clean.update)


def test_each_scale_halves_the_sides():
    assert [b.view.shape for b in bands(wave(8), LIGHT, 3)] == [
        (1, 3, side, side) for side in (16, 8, 4)
    ]


def test_the_local_mean_keeps_constants_and_spreads_points():
    torch.testing.assert_close(local_mean(LIGHT), LIGHT)
    point = torch.zeros(1, 1, 64, 64)
    point[0, 0, 32, 32] = 1
    spread = local_mean(point)
    assert spread.sum() == pytest.approx(1, rel=1e-3)
    assert spread.max() < 0.03
    assert not spread[..., :16].any()
