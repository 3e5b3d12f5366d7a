"""Lessons: each once per epoch for any number of ranks, and the same whoever asks."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training import lessons as lessons_module
from ptychopinn_batch.training.lessons import EpochSampler, Lessons
from ptychopinn_batch.training.measured import around, held_out
from ptychopinn_batch.training.spread import Spread
from ptychopinn_batch.training.syllabus import VALIDATION, TrainingScan, syllabus_of

SIMULATED = Train(simulated=1.0)


def lessons_of(train, stores=(), seed=3):
    scans = [TrainingScan.of(store, train) for store in stores]
    return Lessons(train, scans, seed, syllabus_of(train, scans, seed=seed, world=1))


def keys_of(spread, epoch, begin=(0, 0)):
    """The keys of every rank."""
    for rank in range(spread.world):
        sampler = EpochSampler(spread, rank, begin)
        sampler.set_epoch(epoch)
        yield list(sampler), len(sampler)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 9), st.integers(1, 9), st.integers(0, 5))
def test_over_all_ranks_every_lesson_of_an_epoch_comes_once(count, world, accumulate, epoch):
    keys = list(keys_of(Spread.of(count, accumulate, world), epoch))
    assert {length for _, length in keys} == {len(own) for own, _ in keys} == {len(keys[0][0])}
    seen = sorted(key for own, _ in keys for key in own)
    assert count <= len(seen) < count + world
    assert seen == [(epoch, number) for number in range(len(seen))]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 9), st.data())
def test_the_rest_of_an_epoch_is_what_was_left_of_it(count, world, accumulate, data):
    spread = Spread.of(count, accumulate, world)
    done = data.draw(st.sampled_from([n for n in range(spread.lessons) if spread.ends_step(n)])) + 1
    place = spread.place(3, done)
    assert spread.lessons_done(place) == done
    whole = [own for own, _ in keys_of(spread, 3)]
    rest = [own for own, _ in keys_of(spread, 3, (3, done))]
    assert rest == [own[done:] for own in whole]
    numbers = sorted(number for own in rest for _, number in own)
    assert numbers == list(range(place.lessons, spread.total))
    assert [own for own, _ in keys_of(spread, 4, (3, done))] == [
        [(4, number) for _, number in own] for own in whole
    ]


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.data())
def test_other_ranks_leave_out_no_lesson_that_was_not_done(count, before, after, accumulate, data):
    one, other = (Spread.of(count, accumulate, world) for world in (before, after))
    place = one.place(0, data.draw(st.integers(0, one.lessons)))
    done = other.lessons_done(place)
    assert done * after <= max(place.lessons, count)
    assert done == 0 or other.ends_step(done - 1)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 8), st.integers(1, 16))
def test_a_step_is_made_of_the_same_lessons_whatever_the_number_of_ranks(count, world, per_rank):
    alone, spread = (Spread.of(count * world, per_rank * world, ranks) for ranks in (1, world))
    assert (spread.accumulate * world, spread.steps) == (alone.accumulate, alone.steps)
    for turn in range(0, spread.lessons, spread.accumulate):
        turns = range(turn, min(turn + spread.accumulate, spread.lessons))
        own = [[spread.number(rank, turn) for turn in turns] for rank in range(world)]
        seats = [[spread.seat(number) for number in numbers] for numbers in own]
        numbers = sorted(number for mine in own for number in mine)
        assert numbers == list(range(turn * world, turn * world + len(numbers)))
        for rank, mine in enumerate(seats):
            assert all(rank <= seat.number / seat.width * world < rank + 1 for seat in mine)


def test_a_key_is_of_the_epoch_in_which_it_was_asked_for():
    sampler = EpochSampler(Spread.of(2, 1, 1), 0)
    keys = iter(sampler)
    sampler.set_epoch(1)
    assert list(keys) == [(0, 0), (0, 1)]


def test_a_lesson_is_made_of_seed_epoch_and_number_alone():
    one, two = lessons_of(SIMULATED), lessons_of(SIMULATED)
    assert torch.equal(one[2, 5].region.amplitudes, two[2, 5].region.amplitudes)
    assert (one[2, 5].steps, one[2, 5].warm) == (two[2, 5].steps, two[2, 5].warm)
    other = lessons_of(SIMULATED, seed=4)
    assert not torch.equal(one[2, 5].region.probe, other[2, 5].region.probe)
    assert not torch.equal(one[2, 5].region.probe, one[3, 5].region.probe)


def test_steps_stay_within_what_the_spec_allows():
    train = Train(simulated=1.0, unroll=(2, 4), warm=3, warm_share=0.5)
    lessons = lessons_of(train)
    unrolls = [lessons._unroll(np.random.default_rng(k)) for k in range(200)]
    assert {steps for steps, _ in unrolls} == {2, 3, 4}
    assert {warm for _, warm in unrolls} == {0, 1, 2, 3}


def test_no_two_regions_are_simulated_from_the_same_numbers(monkeypatch):
    """Not of different ranks, epochs or loading processes, nor those that are validated on."""
    seeds = []
    monkeypatch.setattr(lessons_module, "simulated_region", seeds.append)
    train = Train(simulated=1.0, regions_per_epoch=10)
    lessons = lessons_of(train)
    for rank in range(3):
        for epoch in range(4):
            sampler = EpochSampler(Spread.of(10, 2, 3), rank)
            sampler.set_epoch(epoch)
            for key in sampler:
                lessons[key]
    seeds += [(3, VALIDATION, 0, number) for number in range(12)]
    drawn = {tuple(np.random.SeedSequence(seed).generate_state(4)) for seed in seeds}
    assert len(drawn) == len(seeds) == 3 * 4 * 4 + 12


def test_each_of_several_scans_brings_its_own_probe_and_statistics(small_store, other_store):
    train = Train(regions_per_epoch=8, accumulate=8, window=64)
    lessons = lessons_of(train, [small_store, other_store])
    regions = [lessons[0, number].region for number in range(8)]
    for store in (small_store, other_store):
        own = [region for region in regions if torch.equal(region.probe, store.probe)]
        assert 0 < len(own) < 8
        assert {region.scale.amplitude for region in own} == {store.info.amplitude_max}
        assert {region.scale.illumination for region in own} == {store.info.illumination_max}


def test_the_network_is_shown_some_frame_of_every_region(small_store):
    train = Train(regions_per_epoch="cover", frames_per_region=4, window=32)
    lessons = lessons_of(train, [small_store])
    for number in range(lessons.syllabus.spread.total):
        withheld = lessons[0, number].withheld
        assert not withheld.all()


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


def test_the_stated_share_of_simulated_regions_is_refined():
    lessons = lessons_of(Train(simulated=1.0, refined=0.5))
    refined = [lessons[(1, number)].refined for number in range(24)]
    assert 6 <= sum(refined) <= 18
    assert not any(lessons_of(Train(simulated=1.0))[(1, number)].refined for number in range(6))
