"""Where frames lie: shifts are found with the right sign, and moving a frame is exact."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator

from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.refinement.positions import (
    exact_corners,
    frame_misfits,
    moved,
    placed,
    position_step,
    searched,
)

from .conftest import MARGIN, N


def shifts(region, rms, seed=0):
    """Another shift (K, 2) for every frame."""
    random = np.random.default_rng(seed).normal(0, rms / 2**0.5, (len(region), 2))
    return torch.from_numpy(random)


def rms(shift):
    return float(shift.square().sum(1).mean().sqrt())


# Along the slopes


@pytest.mark.parametrize("error", [(0.4, 0.0), (0.0, 0.4), (-0.3, 0.2)], ids=str)
@pytest.mark.parametrize("which", ["truth", "bad_pixels"])
def test_a_third_of_a_shift_is_found_with_its_sign_and_its_axis(which, error, request):
    """Frames have no phases: what an exit wave lacks is asked for in part only."""
    truth, error = request.getfixturevalue(which), torch.tensor([error], dtype=torch.float64)
    found = position_step(truth.object, moved(truth.region, error)).mean(0)
    torch.testing.assert_close(found, -error[0] / 3, atol=0.02, rtol=0)


def test_every_frame_is_moved_alone(truth):
    error = shifts(truth.region, 0.5)
    region = moved(truth.region, error)
    for _ in range(16):
        region = moved(region, position_step(truth.object, region))
    assert rms(exact_corners(region) - exact_corners(truth.region)) < 0.05 * rms(error)


def test_a_frame_that_lies_right_stays_there(truth):
    assert rms(position_step(truth.object, truth.region)) < 0.01


def test_bad_pixels_move_nothing(bad_pixels):
    assert rms(position_step(bad_pixels.object, bad_pixels.region)) < 0.01


def test_an_empty_object_moves_nothing(truth):
    step = position_step(torch.ones_like(truth.object), truth.region)
    assert step.isfinite().all()
    assert not step.any()


# At random


def test_an_error_far_beyond_the_slopes_is_found(truth):
    """6 pixels off; the radius of the search halves, as it does between steps of a network."""
    error = torch.tensor([[6.0, 0.0]], dtype=torch.float64)
    region, random = moved(truth.region, error), Generator().manual_seed(0)
    for radius in (9, 6, 3, 2, 1):
        region = moved(region, searched(truth.object, region, radius, 20, random))
    off = exact_corners(region) - exact_corners(truth.region)
    assert float(off.norm(dim=1).median()) < 0.7


def test_no_frame_is_left_worse_than_it_was(truth):
    region = moved(truth.region, shifts(truth.region, 2.0))
    shift = searched(truth.object, region, 3.0, 3, Generator().manual_seed(1))
    before, after = (frame_misfits(truth.object, r) for r in (region, moved(region, shift)))
    kept = (shift == 0).all(1)
    assert 0 < kept.sum() < len(region)
    assert torch.equal(after[kept], before[kept])
    assert (after[~kept] < before[~kept]).all()


def test_the_search_stays_within_its_radius_and_reaches_it(truth):
    region = moved(truth.region, shifts(truth.region, 4.0))
    shift = searched(truth.object, region, 3.0, 10, Generator().manual_seed(1))
    assert 2.5 < float(shift.norm(dim=1).max()) <= 3.0


def test_frames_that_lie_right_are_not_sent_away(truth):
    assert not searched(truth.object, truth.region, 3.0, 5, Generator().manual_seed(1)).any()


@pytest.mark.parametrize("which", ["truth", "bad_pixels"])
def test_misfits_of_frames_add_up_to_that_of_the_region(which, request):
    truth = request.getfixturevalue(which)
    region = moved(truth.region, shifts(truth.region, 1.0))
    whole = data_misfit(truth.object, region, MISFITS["amplitude"]) * region.energy
    torch.testing.assert_close(frame_misfits(truth.object, region).sum(), whole, rtol=1e-4, atol=0)


# What moving is


def test_a_move_is_exact_to_a_millionth_of_a_pixel(truth):
    shift = shifts(truth.region, 2.0)
    region = moved(truth.region, shift)
    expected = exact_corners(truth.region) + shift
    torch.testing.assert_close(exact_corners(region), expected, atol=1e-6, rtol=0)
    assert region.corners.dtype == torch.int64
    assert ((region.fractions >= 0) & (region.fractions <= 1)).all()


def test_there_and_back_again_are_the_same_probes(truth):
    shift = shifts(truth.region, 2.0)
    truth.region.probes.sum()  # known before the move: it must not be kept
    there = moved(truth.region, shift)
    assert not torch.allclose(there.probes, truth.region.probes, rtol=1e-2)
    back = moved(there, -shift)
    torch.testing.assert_close(exact_corners(back), exact_corners(truth.region), atol=1e-6, rtol=0)
    torch.testing.assert_close(frame_misfits(truth.object, back).max() < 1, torch.tensor(True))


@pytest.mark.parametrize("far", [-1000.0, 1000.0, MARGIN + 0.5])
def test_patches_stay_inside_however_far_a_frame_is_moved(truth, far):
    region = moved(truth.region, torch.full((len(truth.region), 2), far, dtype=torch.float64))
    height, width = region.shape
    assert (region.corners >= 0).all()
    assert (region.corners[:, 0] + N <= width).all()
    assert (region.corners[:, 1] + N <= height).all()
    assert frame_misfits(truth.object, region).isfinite().all()


def test_a_frame_can_be_placed_at_the_very_border(truth):
    height, width = truth.region.shape
    border = torch.tensor([[width - N, height - N]], dtype=torch.float64)
    region = placed(truth.region, border.expand(len(truth.region), 2))
    assert torch.equal(exact_corners(region), border.expand(len(truth.region), 2))


def test_nothing_else_of_a_region_changes(truth):
    region = moved(truth.region, shifts(truth.region, 2.0))
    same = replace(region, corners=truth.region.corners, fractions=truth.region.fractions)
    assert same.probe is truth.region.probe
    assert same.amplitudes is truth.region.amplitudes
    assert (same.shape, same.scale) == (truth.region.shape, truth.region.scale)
