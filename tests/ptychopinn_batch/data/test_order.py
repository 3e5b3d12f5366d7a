"""The order of frames and their shares: neighbours together, and every frame exactly once."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptychopinn_batch.data import order
from ptychopinn_batch.data.order import hilbert_distance, hilbert_order, shards


def test_the_curve_visits_every_cell_and_always_the_next_one(monkeypatch):
    monkeypatch.setattr(order, "BITS", 4)
    y, x = (axis.ravel() for axis in np.mgrid[:16, :16])
    along = np.argsort(hilbert_distance(x, y))
    assert sorted(hilbert_distance(x, y)) == list(range(256))
    steps = np.abs(np.diff(np.stack([x, y])[:, along])).sum(0)
    assert (steps == 1).all()


@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_every_frame_has_exactly_one_place(count, seed):
    positions = np.random.default_rng(seed).normal(0, 100, (count, 2)).round()
    assert sorted(hilbert_order(positions)) == list(range(count))


def test_frames_at_one_spot_keep_their_order():
    assert hilbert_order(np.full((9, 2), 3.0)).tolist() == list(range(9))


def test_a_contiguous_share_is_a_compact_part_of_the_scan():
    positions = np.random.default_rng(0).uniform(0, 100, (4000, 2))
    part = positions[hilbert_order(positions)[:1000]]
    assert np.prod(np.ptp(part, axis=0)) < 100**2 / 3


@given(st.integers(0, 300), st.integers(1, 40))
def test_every_frame_belongs_to_exactly_one_rank(frames, ranks):
    shares = shards(frames, ranks)
    assert len(shares) == ranks
    assert [frame for share in shares for frame in share] == list(range(frames))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("frames", "ranks"), [(10**7 + 1, 7), (3, 8)])
def test_shares_of_large_and_of_tiny_scans(frames, ranks):
    shares = shards(frames, ranks)
    assert shares[0].start == 0
    assert shares[-1].stop == frames
    assert all(left.stop == right.start for left, right in pairwise(shares))
