"""Losses: small where a result is right, blind to the global phase, finite everywhere."""

import math
from dataclasses import replace

import pytest
import torch

from ptychopinn_batch.jobspec import Weights
from ptychopinn_batch.misfit import MISFITS
from ptychopinn_batch.networks.base import Reconstruction
from ptychopinn_batch.region import Region
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.losses import (
    TERMS,
    frames_term,
    measured_loss,
    mixture,
    object_error,
    supervised,
)


def result_of(*objects: torch.Tensor, misfit: float = 0.01) -> Reconstruction:
    seen = torch.ones(objects[0].shape, dtype=torch.bool)
    misfits = torch.full((len(objects),), misfit)
    return Reconstruction(objects, misfits, seen, simulated_region(0))


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
    right = frames_term(result_of(region.truth), unseen, misfit)
    flat = frames_term(result_of(torch.ones_like(region.truth)), unseen, misfit)
    assert right < flat


def test_a_region_without_unseen_frames_still_has_a_loss():
    region = simulated_region(3)
    nothing = region.subset(torch.zeros(len(region), dtype=torch.bool))
    assert frames_term(result_of(region.truth), nothing, MISFITS["poisson"]).isfinite()


def loss_of(obj: torch.Tensor, region: Region, **weights) -> float:
    """With the weights of a spec, half of the frames withheld."""
    unseen = torch.arange(len(region)) % 2 == 0
    given = Weights(**{"frames": 0, "object": 0, **weights})
    seen, others = region.subset(~unseen), region.subset(unseen)
    return float(measured_loss(result_of(obj), seen, others, given, MISFITS["amplitude"]))


def test_the_loss_is_the_weighted_sum_of_its_terms():
    region = simulated_region(4)
    obj = region.truth * 1.1
    names = ("frames", "object", *TERMS)
    alone = {name: loss_of(obj, region, **{"object": 1, name: 1}) for name in names}
    alone |= {name: value - alone["object"] for name, value in alone.items() if name != "object"}
    weights = {name: 0.3 * (k + 1) for k, name in enumerate(names)}
    expected = sum(weights[name] * alone[name] for name in names)
    assert loss_of(obj, region, **weights) == pytest.approx(expected, rel=1e-3)


def test_a_supervised_loss_looks_at_no_frame():
    region = simulated_region(4)
    dark = replace(region, amplitudes=region.amplitudes * 0)
    flat = torch.ones_like(region.truth)
    assert loss_of(flat, region, object=1) == loss_of(flat, dark, object=1)
    assert loss_of(region.truth, region, object=1) < loss_of(flat, region, object=1) - 1


def test_an_unsupervised_loss_does_not_look_at_the_object():
    region = simulated_region(4)
    unknown = replace(region, truth=None)
    assert loss_of(region.truth, region, frames=1) == loss_of(region.truth, unknown, frames=1)


def test_pixels_whose_truth_is_not_known_do_not_count():
    region = simulated_region(4)
    known = torch.arange(region.shape[1]) < region.shape[1] // 2
    truth = torch.where(known, region.truth, complex("nan"))
    spoilt = torch.where(known, region.truth, 7 + 0j).requires_grad_()
    error = object_error(spoilt, truth, region.illumination)
    error.backward()
    assert float(error.detach()) < 1e-9
    assert spoilt.grad.isfinite().all()
    nothing = torch.full_like(truth, complex("nan"))
    assert float(object_error(region.truth, nothing, region.illumination)) == 0


OBJECT = torch.polar(
    torch.tensor([[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]]),
    torch.tensor([[0.0, 0.5, 0.5], [3.0, -3.0, 0]]),
)
ALL = torch.ones(2, 3, dtype=torch.bool)
ACROSS = 2 * math.pi - 6  # from 3 rad to -3 rad


@pytest.mark.parametrize(
    ("term", "value"),
    [
        ("amplitude_tv", (1 + 2 + 0 + 0) / 4 + (0 + 1 + 3) / 3),
        ("phase_tv", (0.5 + 0 + ACROSS + 3) / 4 + (3 + (2 * math.pi - 3.5) + 0.5) / 3),
        ("amplitude_deviation", (4 * 2 / 3 + 1 / 3 + 7 / 3) / 6),
    ],
)
def test_regularisers_of_a_small_object(term, value):
    assert float(TERMS[term](OBJECT, ALL)) == pytest.approx(value)


def test_the_deviation_of_the_phase_is_from_that_of_the_mean_object():
    obj = torch.polar(torch.tensor([[2.0, 1.0, 1.0]]), torch.tensor([[3.1, 3.5, 2.7]]))
    mean = float((obj.sum()).angle())
    expected = sum(abs(math.remainder(p - mean, 2 * math.pi)) for p in (3.1, 3.5, 2.7)) / 3
    assert float(TERMS["phase_deviation"](obj, ALL[:1])) == pytest.approx(expected)


@pytest.mark.parametrize("term", TERMS)
def test_regularisers_do_not_see_dark_pixels_or_the_global_phase(term):
    seen = torch.tensor([[True, True, False], [True, True, False]])
    other = OBJECT.clone()
    other[:, 2] = 100
    value = TERMS[term](OBJECT, seen)
    assert float(value) > 0
    torch.testing.assert_close(TERMS[term](other, seen), value)
    turned = other * torch.polar(torch.tensor(1.0), torch.tensor(2.0))
    torch.testing.assert_close(TERMS[term](turned, seen), value)
    flat = TERMS[term](torch.full_like(OBJECT, 0.5 + 0.5j), ALL)
    torch.testing.assert_close(flat, torch.zeros(()))


@pytest.mark.parametrize("term", TERMS)
def test_regularisers_have_a_finite_slope_on_a_blank_object(term):
    blank = torch.zeros(4, 4, dtype=torch.complex64, requires_grad=True)
    TERMS[term](blank, torch.ones(4, 4, dtype=torch.bool)).backward()
    assert blank.grad.isfinite().all()


def test_kinds_of_misfit_are_mixed_by_their_shares():
    model, measured = torch.rand(2, 1, 4, 4)
    parts = {kind: misfit(model, measured) for kind, misfit in MISFITS.items()}
    mixed = mixture([("poisson", 0.25), ("mae", 0.75)])(model, measured)
    torch.testing.assert_close(mixed, 0.25 * parts["poisson"] + 0.75 * parts["mae"])
    assert mixture([("mae", 1.0)]) is MISFITS["mae"]
