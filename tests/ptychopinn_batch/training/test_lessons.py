"""Lessons: each once per epoch for any number of ranks, and the same whoever asks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training.lessons import EpochSampler, Lessons
from ptychopinn_batch.training.measured import around, held_out
from ptychopinn_batch.training.spread import Spread

SIMULATED = Train(simulated=1.0)


def keys_of(count, world, epoch, begin=(0, 0)):
    """The keys of every rank."""
    for rank in range(world):
        sampler = EpochSampler(count, rank, world, begin)
        sampler.set_epoch(epoch)
        yield list(sampler), len(sampler)


@given(st.integers(1, 200), st.integers(1, 9), st.integers(0, 5))
def test_over_all_ranks_every_lesson_of_an_epoch_comes_once(count, world, epoch):
    keys = list(keys_of(count, world, epoch))
    assert {length for _, length in keys} == {len(own) for own, _ in keys} == {len(keys[0][0])}
    seen = sorted(key for own, _ in keys for key in own)
    assert count <= len(seen) < count + world
    assert seen == [(epoch, number) for number in range(len(seen))]


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 9), st.data())
def test_the_rest_of_an_epoch_is_what_was_left_of_it(count, world, accumulate, data):
    train = SIMULATED.model_copy(update={"regions_per_epoch": count, "accumulate": accumulate})
    spread = Spread.of(train, world)
    done = data.draw(st.sampled_from([n for n in range(spread.lessons) if spread.ends_step(n)])) + 1
    place = spread.place(3, done)
    assert spread.lessons_done(place) == done
    whole = [own for own, _ in keys_of(count, world, 3)]
    rest = [own for own, _ in keys_of(count, world, 3, (3, done))]
    assert rest == [own[done:] for own in whole]
    assert [own for own, _ in keys_of(count, world, 4, (3, done))] == [
        [(4, number) for _, number in own] for own in whole
    ]


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.data())
def test_other_ranks_leave_out_no_lesson_that_was_not_done(count, before, after, accumulate, data):
    train = SIMULATED.model_copy(update={"regions_per_epoch": count, "accumulate": accumulate})
    one, other = Spread.of(train, before), Spread.of(train, after)
    place = one.place(0, data.draw(st.integers(0, one.lessons)))
    done = other.lessons_done(place)
    assert done * after <= max(place.lessons, count)
    assert done == 0 or other.ends_step(done - 1)


@given(st.integers(1, 200), st.integers(1, 8), st.integers(1, 16))
def test_a_step_is_made_of_as_many_regions_whatever_the_number_of_ranks(count, world, per_rank):
    train = SIMULATED.model_copy(
        update={"regions_per_epoch": count * world, "accumulate": per_rank * world}
    )
    alone, spread = Spread.of(train, 1), Spread.of(train, world)
    assert spread.accumulate * world == alone.accumulate
    assert (spread.lessons * world, spread.steps) == (alone.lessons, alone.steps)


def test_a_key_is_of_the_epoch_in_which_it_was_asked_for():
    sampler = EpochSampler(2, 0, 1)
    keys = iter(sampler)
    sampler.set_epoch(1)
    assert list(keys) == [(0, 0), (0, 1)]


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
