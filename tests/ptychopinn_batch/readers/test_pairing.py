"""Which frame was taken where: row by row, or by index as Ptychodus does it."""

from types import SimpleNamespace

import numpy as np
import pytest

from hpc.errors import UserError
from ptychopinn_batch.readers.pairing import paired
from ptychopinn_batch.readers.recording import Recording, Track


def pairs_of(frames, positions, x):
    """frames, positions: indexes or None; x: of each position."""
    count = len(x) if frames is None else len(frames)
    xy = np.stack([np.array(x, float), np.zeros(len(x))], 1)
    index = None if positions is None else np.array(positions)
    return paired(
        Recording(
            "test",
            "scan",
            SimpleNamespace(shape=(count, 8, 8)),
            Track(xy, "m", "here", index),
            index=None if frames is None else np.array(frames),
        )
    )


def test_without_indexes_row_by_row():
    found = pairs_of(None, None, [3, 1, 2])
    assert found.rows.tolist() == [0, 1, 2]
    assert found.xy[:, 0].tolist() == [3, 1, 2]


def test_by_index_whatever_the_order():
    found = pairs_of([7, 5, 6], [5, 6, 7], [50, 60, 70])
    assert found.xy[:, 0].tolist() == [70, 50, 60]
    assert found.notes == ()


def test_frames_beyond_all_positions_are_left_out():
    found = pairs_of([0, 1, 2, 9], [1, 2], [10, 20])
    assert found.rows.tolist() == [1, 2]
    assert found.notes == ("2 frames beyond all positions are left out",)


def test_a_frame_between_two_positions_lies_between_them():
    found = pairs_of([0, 1, 2], [0, 2], [0, 10])
    assert found.xy[:, 0].tolist() == [0, 5, 10]
    assert "1 frames without a position" in found.notes[0]


def test_repeated_positions_are_averaged():
    found = pairs_of([0, 1], [0, 1, 1], [0, 10, 20])
    assert found.xy[:, 0].tolist() == [0, 15]
    assert "1 repeated positions" in found.notes[0]


def test_positions_that_count_from_one_are_refused():
    with pytest.raises(UserError, match="1 to 3, but frames are counted from 0"):
        pairs_of(None, [1, 2, 3], [0, 10, 20])
    assert pairs_of([1, 2, 3], [1, 2, 3], [0, 10, 20]).rows.tolist() == [0, 1, 2]


def test_frames_without_any_position_are_refused():
    with pytest.raises(UserError, match="frames have indexes 10 to 11, positions 0 to 1"):
        pairs_of([10, 11], [0, 1], [0, 1])


def test_positions_that_are_not_numbers_are_kept_for_the_check_that_names_them():
    found = pairs_of([1, 0], [0, 1], [0, np.nan])
    assert np.isnan(found.xy[0, 0])
