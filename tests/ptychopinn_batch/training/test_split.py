"""The split: validated frames share neither frames nor patches with those that are trained on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training.split import (
    LEAST_LEFT,
    every_so_manieth,
    largest_share,
    split_frames,
)

N = 32


def grid(side, step=4.0, seed=0):
    """Positions (side^2, 2) of a jittered grid."""
    lines = np.arange(side) * step
    exact = np.stack(np.meshgrid(lines, lines), -1).reshape(-1, 2)
    return exact + np.random.default_rng(seed).uniform(-1, 1, exact.shape)


def overlap(one, other):
    """Whether any patch of one set overlaps any of the other."""
    corners = [np.floor(positions - N // 2) for positions in (one, other)]
    away = np.abs(corners[0][:, None] - corners[1][None]).max(2)
    return bool((away < N).any())


@settings(max_examples=30, deadline=None)
@given(st.integers(28, 40), st.floats(2.5, 8), st.floats(0.01, 0.2), st.integers(0, 99))
def test_no_validated_patch_overlaps_one_that_is_trained_on(side, step, share, seed):
    positions = grid(side, step, seed)
    if share > largest_share(positions, N):
        return
    found = split_frames(positions, N, Train(validation=share))
    assert len(found.validation) == round(share * len(positions))
    assert len(found.training) >= LEAST_LEFT * len(positions) * (1 - share) - 2
    assert not overlap(positions[found.training], positions[found.validation])
    assert set(found.withheld) < set(found.validation)
    held_out = every_so_manieth(len(positions), share)  # what a result is judged by
    assert not set(found.training) & set(held_out)


def test_the_square_lies_in_the_middle_where_enough_is_left_and_else_in_a_corner():
    for side, middle in ((80, True), (40, False)):
        positions = grid(side)
        validated = positions[split_frames(positions, N, Train()).validation]
        centre = positions.max() / 2
        assert bool((np.abs(validated.mean(0) - centre) < 8).all()) == middle


def test_a_scan_that_is_too_small_is_refused_and_the_message_says_how_to_go_on(refusal_of):
    positions = grid(12)  # 44 pixels wide, and patches of 32
    assert refusal_of(split_frames, positions, N, Train(), where="s.npz, train.validation") == (
        "a validated square of 10% of its frames and the guard zone around it, where patches of 32 "
        "pixels overlap, leave too few frames to train on",
        "s.npz, train.validation",
        "Write train.split: frames, which holds out frames between the others although they "
        "overlap, or a smaller train.validation",
    )
    assert largest_share(positions, N) < 0.1
    kept = split_frames(positions, N, Train(split="frames"))
    assert sorted([*kept.training, *kept.withheld]) == list(range(144))


def test_the_largest_share_is_the_last_one_that_is_possible():
    positions = grid(30)
    share = largest_share(positions, N)
    count = round(share * 900)
    split_frames(positions, N, Train(validation=count / 900))
    with pytest.raises(UserError):
        split_frames(positions, N, Train(validation=(count + 1) / 900))


def test_where_nothing_is_kept_for_validation_all_frames_are_trained_on():
    found = split_frames(grid(12), N, Train(validation=0.0))
    assert list(found.training) == list(range(144))
    assert set(found.withheld) < set(found.validation)


@settings(deadline=None)
@given(st.integers(2, 5000), st.floats(0.01, 0.5))
def test_held_out_frames_are_the_asked_share_and_evenly_spread(frames, share):
    rows = every_so_manieth(frames, share)
    assert len(rows) == pytest.approx(frames * share, abs=1)
    if len(rows) > 2:
        assert np.ptp(np.diff(rows)) <= 1
