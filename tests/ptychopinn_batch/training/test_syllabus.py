"""Epochs: who does what, each frame once, the same for any number of ranks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.errors import UserError
from ptychopinn_batch.data.order import hilbert_order
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training.split import Split
from ptychopinn_batch.training.syllabus import TrainingScan, syllabus_of

COVER = Train(regions_per_epoch="cover", frames_per_region=20, window=32, accumulate=4)


def scan_of(frames, seed=0, size=90.0):
    """A scan all of whose frames but every tenth are trained on."""
    positions = np.random.default_rng(seed).uniform(0, size, (frames, 2))
    store = SimpleNamespace(
        positions=torch.from_numpy(positions[hilbert_order(positions)]),
        info=SimpleNamespace(n=16, frames=frames),
    )
    rows = np.arange(frames)
    return TrainingScan(store, Split(rows[rows % 10 != 5], rows, rows[rows % 10 == 5]))


def lessons_of(syllabus, epoch):
    """What each rank does in its turns: (scan, rows) or None."""
    spread = syllabus.spread
    return [
        [
            syllabus.piece(epoch, number, np.random.default_rng((epoch, number)))
            for number in (spread.number(rank, turn) for turn in range(spread.lessons))
        ]
        for rank in range(spread.world)
    ]


def steps_of(syllabus, epoch):
    """The lessons of each step of the optimiser, over all ranks."""
    spread, lessons = syllabus.spread, lessons_of(syllabus, epoch)
    return [
        sorted(
            (piece.scan, *piece.rows)
            for own in lessons
            for piece in own[step * spread.accumulate : (step + 1) * spread.accumulate]
            if piece is not None
        )
        for step in range(spread.steps)
    ]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(150, 500), min_size=1, max_size=3),
    st.integers(1, 5),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.3, 0.75]),
    st.integers(0, 3),
)
def test_a_cover_holds_every_training_frame_once_for_any_number_of_frames_and_ranks(
    frames, world, accumulate, simulated, epoch
):
    train = COVER.model_copy(update={"accumulate": accumulate, "simulated": simulated})
    scans = [scan_of(count, seed) for seed, count in enumerate(frames)]
    syllabus = syllabus_of(train, scans, seed=1, world=world)
    lessons = lessons_of(syllabus, epoch)
    assert {len(own) for own in lessons} == {syllabus.spread.lessons}
    pieces = [piece for own in lessons for piece in own if piece is not None]
    for number, scan in enumerate(scans):
        rows = [row for piece in pieces if piece.scan == number for row in piece.rows]
        assert sorted(rows) == list(scan.split.training)
    assert 1 - len(pieces) / syllabus.spread.total == pytest.approx(simulated, abs=0.13)


@pytest.mark.parametrize("train", [COVER, Train(regions_per_epoch=24, accumulate=4)])
def test_a_rank_has_the_same_contiguous_shard_in_every_epoch(train):
    scans = [scan_of(400), scan_of(250, seed=1)]
    syllabus = syllabus_of(train, scans, seed=1, world=2)
    for rank in range(2):
        allowed = syllabus.frames_of(rank)
        for epoch in range(3):
            for piece in lessons_of(syllabus, epoch)[rank]:
                assert np.isin(piece.rows, allowed[piece.scan]).all()
    if train is COVER:  # windows reach into the neighbour's
        shards = [
            [(scan, row) for scan, rows in enumerate(syllabus.frames_of(rank)) for row in rows]
            for rank in range(2)
        ]
        assert max(shards[0]) < min(shards[1])
        total = sum(len(scan.split.training) for scan in scans)
        assert sorted(shards[0] + shards[1]) == shards[0] + shards[1]
        assert len(shards[0] + shards[1]) == total


@pytest.mark.parametrize(
    "train", [COVER, COVER.model_copy(update={"simulated": 0.5}), Train(regions_per_epoch=24)]
)
def test_steps_are_made_of_the_same_frames_on_one_two_and_four_ranks(train):
    train = train.model_copy(update={"accumulate": 4})
    scans = [scan_of(400), scan_of(250, seed=1)]
    alone, two, four = (syllabus_of(train, scans, seed=1, world=world) for world in (1, 2, 4))
    assert steps_of(alone, 3) == steps_of(two, 3) == steps_of(four, 3)


def test_every_epoch_is_cut_and_ordered_otherwise():
    syllabus = syllabus_of(COVER, [scan_of(400)], seed=1, world=1)
    assert steps_of(syllabus, 0) != steps_of(syllabus, 1)
    cuts = [{piece for step in steps_of(syllabus, epoch) for piece in step} for epoch in (0, 1)]
    assert cuts[0] != cuts[1]


def test_windows_are_spread_evenly_over_the_frames_of_all_scans():
    scans = [scan_of(300), scan_of(100, seed=1)]
    train = Train(regions_per_epoch=40, accumulate=40)
    pieces = lessons_of(syllabus_of(train, scans, seed=1, world=1), 0)[0]
    assert sum(piece.scan == 1 for piece in pieces) == 10


def test_a_scan_smaller_than_a_step_is_not_cut_into_crumbs():
    train = COVER.model_copy(update={"accumulate": 64, "frames_per_region": 256, "window": 256})
    syllabus = syllabus_of(train, [scan_of(300)], seed=1, world=2)
    assert (syllabus.spread.steps, syllabus.regions) == (1, 2)


def test_more_ranks_than_a_scan_has_regions_for_are_refused():
    with pytest.raises(UserError, match="90 frames are too few to be cut into 16 shares"):
        syllabus_of(COVER, [scan_of(100)], seed=1, world=16)
