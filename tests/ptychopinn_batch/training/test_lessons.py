"""Lessons: each once per epoch for any number of ranks, and the same whoever asks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training.lessons import EpochSampler, Lessons
from ptychopinn_batch.training.measured import around, held_out

SIMULATED = Train(simulated=1.0)


@given(st.integers(1, 200), st.integers(1, 9), st.integers(0, 5))
def test_over_all_ranks_every_lesson_of_an_epoch_comes_once(count, world, epoch):
    seen = []
    for rank in range(world):
        sampler = EpochSampler(count, rank, world)
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(keys) == len(sampler)
        seen += keys
    assert sorted(seen) == [(epoch, number) for number in range(count)]


def test_a_lesson_is_made_of_seed_epoch_and_number_alone():
    one, two = Lessons(SIMULATED, [], seed=3), Lessons(SIMULATED, [], seed=3)
    assert torch.equal(one[2, 5].region.amplitudes, two[2, 5].region.amplitudes)
    assert (one[2, 5].steps, one[2, 5].warm) == (two[2, 5].steps, two[2, 5].warm)
    other = Lessons(SIMULATED, [], seed=4)
    assert not torch.equal(one[2, 5].region.probe, other[2, 5].region.probe)
    assert not torch.equal(one[2, 5].region.probe, one[3, 5].region.probe)


def test_steps_stay_within_what_the_spec_allows():
    train = Train(simulated=1.0, unroll=(2, 4), warm=3, warm_share=0.5)
    lessons = Lessons(train, [], seed=0)
    unrolls = [lessons._unroll(np.random.default_rng(k)) for k in range(200)]
    assert {steps for steps, _ in unrolls} == {2, 3, 4}
    assert {warm for _, warm in unrolls} == {0, 1, 2, 3}


@given(st.integers(2, 5000), st.floats(0.01, 0.5))
def test_held_out_frames_are_the_asked_share_and_evenly_spread(frames, share):
    chosen = torch.nonzero(held_out(frames, share)).flatten()
    assert len(chosen) == pytest.approx(frames * share, abs=1)
    if len(chosen) > 2:
        gaps = chosen.diff()
        assert gaps.max() - gaps.min() <= 1


def test_nothing_is_held_out_when_nothing_is_asked():
    assert not held_out(50, 0.0).any()


def test_a_window_shrinks_by_area_until_it_holds_few_enough_frames():
    positions = np.random.default_rng(0).uniform(0, 100, (500, 2))
    rows = around(positions, np.array([50.0, 50.0]), window=60, most=40)
    distance = np.abs(positions - 50).max(1)
    assert len(rows) == 40
    assert distance[rows].max() < np.delete(distance, rows).min()
    assert (
        len(around(positions, np.array([50.0, 50.0]), window=10, most=400)) == (distance <= 5).sum()
    )
