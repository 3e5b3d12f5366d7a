"""Losses: small where a result is right, blind to the global phase, finite everywhere."""

import torch

from ptychopinn_batch.misfit import MISFITS
from ptychopinn_batch.networks.base import Reconstruction
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.losses import object_error, supervised, unsupervised
from ptychopinn_batch.training.module import LAST_RATE, rate_factor


def result_of(*objects: torch.Tensor, misfit: float = 0.01) -> Reconstruction:
    seen = torch.ones(objects[0].shape, dtype=torch.bool)
    return Reconstruction(objects, torch.full((len(objects),), misfit), seen)


def test_the_object_error_is_zero_for_the_truth_and_one_for_nothing():
    region = simulated_region(0)
    light = region.illumination
    assert float(object_error(region.truth, region.truth, light)) < 1e-9
    assert float(object_error(region.truth * 0, region.truth, light)) == 1


def test_the_object_error_sees_only_lit_pixels():
    region = simulated_region(1)
    dark = region.illumination < 0.04 * region.illumination.max()
    spoilt = torch.where(dark, torch.tensor(5 + 0j), region.truth)
    assert float(object_error(spoilt, region.truth, region.illumination)) < 1e-9


def test_supervised_loss_prefers_the_truth_and_counts_late_steps_more():
    region = simulated_region(2)
    flat = torch.ones_like(region.truth)
    early = supervised(result_of(region.truth, flat), region, region.truth)
    late = supervised(result_of(flat, region.truth), region, region.truth)
    both = supervised(result_of(region.truth, region.truth), region, region.truth)
    assert both < late < early


def test_unsupervised_loss_judges_frames_the_network_did_not_see():
    region = simulated_region(3)
    unseen = region.subset(torch.arange(len(region)) < 5)
    misfit = MISFITS["amplitude"]
    right = unsupervised(result_of(region.truth), unseen, misfit)
    flat = unsupervised(result_of(torch.ones_like(region.truth)), unseen, misfit)
    assert right < flat


def test_a_region_without_unseen_frames_still_has_a_loss():
    region = simulated_region(3)
    nothing = region.subset(torch.zeros(len(region), dtype=torch.bool))
    assert unsupervised(result_of(region.truth), nothing, MISFITS["poisson"]).isfinite()


def test_the_rate_rises_then_falls_to_its_last_share():
    factors = [rate_factor(step, 1000) for step in range(1001)]
    top = factors.index(max(factors))
    assert 0 < top < 100
    assert factors[0] < 0.05
    assert factors[-1] == LAST_RATE
    assert all(a >= b for a, b in zip(factors[top:], factors[top + 1 :], strict=False))
