"""Covers: every frame in exactly one region, none of them too full, for any scan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptychopinn_batch.training.cover import cut, regions_needed, rounded_up, shards


@settings(max_examples=50, deadline=None)
@given(
    st.integers(16, 600),
    st.sampled_from([4, 7, 16, 50, 400]),
    st.integers(1, 9),
    st.integers(0, 10**6),
)
def test_every_frame_is_in_one_region_and_no_region_is_too_full(frames, most, parts, seed):
    random = np.random.default_rng(seed)
    positions = random.uniform(0, 200, (frames, 2))
    counts = rounded_up([regions_needed(positions, 96, most)], [frames], parts)
    if frames < 2 * parts:
        return
    seen = []
    for part in shards(counts, [frames], parts):
        for run in part:
            own = positions[run.frames.start : run.frames.stop]
            regions = cut(own, run.regions, most, random)
            assert len(regions) == run.regions
            assert all(0 < len(rows) <= most for rows in regions)
            seen += [run.frames.start + row for rows in regions for row in rows]
    assert sorted(seen) == list(range(frames))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(40, 500), min_size=1, max_size=6), st.integers(1, 12))
def test_parts_have_equally_many_regions_and_are_contiguous(frames, parts):
    counts = rounded_up([-(-held // 20) for held in frames], frames, parts)
    found = shards(counts, frames, parts)
    assert {sum(run.regions for run in part) for part in found} == {sum(counts) // parts}
    runs = [run for part in found for run in part]
    assert runs == sorted(runs, key=lambda run: (run.scan, run.frames.start))
    for scan, held in enumerate(frames):
        own = [row for run in runs if run.scan == scan for row in run.frames]
        assert own == list(range(held))


def test_regions_are_compact():
    positions = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0)), -1).reshape(-1, 2)
    for rows in cut(positions, 16, 150, np.random.default_rng(0)):
        across, down = np.ptp(positions[rows], axis=0) + 1
        assert len(rows) > across * down - 2 * max(across, down)  # rectangles, bar a ragged edge
        assert max(across, down) <= 2.5 * min(across, down)


def test_borders_move_from_epoch_to_epoch():
    positions = np.random.default_rng(0).uniform(0, 100, (400, 2))
    one, other = (cut(positions, 4, 200, np.random.default_rng(seed)) for seed in (1, 2))
    assert [set(rows) for rows in one] != [set(rows) for rows in other]


@pytest.mark.parametrize(
    ("frames", "window", "most", "needed"),
    [(1000, 1000, 100, 13), (1000, 26, 1000, 16), (20, 26, 256, 1), (1000, 1000, 2000, 1)],
)
def test_a_scan_needs_as_many_regions_as_its_area_and_its_frames_do(frames, window, most, needed):
    positions = np.random.default_rng(0).uniform(0, 100, (frames, 2))
    assert regions_needed(positions, window, most) == needed
