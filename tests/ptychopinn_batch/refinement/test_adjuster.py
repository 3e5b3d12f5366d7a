"""What is refined after which step, and its limits."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptychopinn_batch.jobspec import Refine
from ptychopinn_batch.refinement.adjuster import FIRST, Adjuster
from ptychopinn_batch.refinement.positions import exact_corners, moved

from .conftest import lens

POSITIONS = Refine(probe=False, positions=True, position_error=2.0, steps=16)
STEPS = range(FIRST, 16)


def shaken(truth):
    """The region with frames 2 pixels off, r.m.s.; all together they are where they were."""
    error = torch.from_numpy(np.random.default_rng(0).normal(0, 2**0.5, (len(truth.region), 2)))
    return moved(truth.region, error - error.mean(0))


def adjusted(truth, refine, start, seed=0, steps=STEPS):
    """The region after these steps, the true object known."""
    adjuster, region = Adjuster.of(refine, start, seed), start
    for step in steps:
        region = adjuster(truth.object, region, step)
    return region


def off(region, other):
    return exact_corners(region) - exact_corners(other)


@pytest.mark.parametrize("step", range(FIRST))
@pytest.mark.parametrize("refine", [Refine(positions=True), Refine()], ids=["all", "probe"])
def test_the_first_objects_are_too_raw_to_refine_anything(truth, refine, step):
    start = shaken(truth)
    assert Adjuster.of(refine, start, 0)(truth.object, start, step) is start
    assert Adjuster.of(refine, start, 0)(truth.object, start, FIRST) is not start


def test_frames_are_brought_back_to_where_they_lie(truth):
    start = shaken(truth)
    found = adjusted(truth, POSITIONS, start)
    before, after = (off(region, truth.region).norm(dim=1).median() for region in (start, found))
    assert before > 1.4
    assert after < 0.1


def test_the_same_seed_finds_the_same_positions_and_another_seed_others(truth):
    start, early = shaken(truth), range(FIRST, FIRST + 2)
    first, again = (adjusted(truth, POSITIONS, start, seed=7, steps=early) for _ in range(2))
    other = adjusted(truth, POSITIONS, start, seed=8, steps=early)
    assert torch.equal(exact_corners(first), exact_corners(again))
    assert not torch.equal(exact_corners(first), exact_corners(other))


def test_no_frame_goes_further_than_it_may(truth):
    narrow = POSITIONS.model_copy(update={"position_error": 0.3})
    region = start = shaken(truth)  # much further off than is expected
    adjuster = Adjuster.of(narrow, start, 0)
    for step in STEPS:
        region = adjuster(truth.object, region, step)
        assert float(off(region, start).abs().max()) <= narrow.furthest + 1e-6
    assert float(off(region, start).abs().max()) > 0.9 * narrow.furthest


def test_all_frames_together_stay_in_place_though_all_of_them_ask_to_move(truth):
    """Frames determine where they lie relative to each other only: the rest is the object's."""
    start = moved(truth.region, torch.tensor([[1.5, -1.0]], dtype=torch.float64))
    region = adjusted(truth, POSITIONS, start)
    assert float(off(region, start).mean(0).abs().max()) < 0.05


def test_they_stay_in_place_through_every_step(truth):
    region = start = shaken(truth)
    adjuster = Adjuster.of(POSITIONS, start, 0)
    for step in STEPS:
        region = adjuster(truth.object, region, step)
        assert float(off(region, start).mean(0).abs().max()) < 0.05


def test_without_probe_it_is_not_touched(truth):
    start = replace(shaken(truth), probe=lens(5.0))
    assert adjusted(truth, POSITIONS, start).probe is start.probe


def test_without_positions_they_are_not_touched(truth):
    start = replace(shaken(truth), probe=lens(5.0))
    region = adjusted(truth, Refine(), start)
    assert region.corners is start.corners
    assert region.fractions is start.fractions
    assert not torch.equal(region.probe, start.probe)


def one_stride(truth, start, position_error):
    """How far frames go along the slopes alone, (K, 2)."""
    refine = POSITIONS.model_copy(update={"position_error": position_error})
    searching_is_over = refine.steps - 1
    return off(Adjuster.of(refine, start, 0)(truth.object, start, searching_is_over), start)


def test_frames_that_are_expected_far_off_take_longer_strides(truth):
    start = moved(truth.region, 0.2 * off(shaken(truth), truth.region))
    usual, far, furthest = (one_stride(truth, start, error) for error in (4.0, 12.0, 40.0))
    assert torch.allclose(far, 3 * usual, atol=1e-4)
    assert torch.equal(far, furthest)
    assert torch.equal(usual, one_stride(truth, start, 0.5))


def test_the_search_closes_in_and_ends():
    radii = [Adjuster.of(POSITIONS, None, 0)._radius(step) for step in STEPS]
    assert radii[0] > POSITIONS.position_error
    assert (np.diff(radii) < 0).all()
    assert radii[-1] <= 0
