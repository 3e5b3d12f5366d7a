"""Groups: every frame with its nearest neighbours, the same in every tile."""

import numpy as np
import pytest

from ptychopinn_batch.groups import neighbour_groups


def grid(rows: int, columns: int, step: float = 4.5) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns] * step
    return np.stack([x, y], -1).reshape(-1, 2)


def groups(positions: np.ndarray, size: int) -> np.ndarray:
    corners = np.floor(positions)
    return neighbour_groups(
        corners.astype(np.int64), (positions - corners).astype(np.float32), size
    )


@pytest.fixture
def scattered() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 60, (90, 2))


def test_a_group_of_one_is_the_frame_itself(scattered):
    assert groups(scattered, 1).tolist() == [[k] for k in range(90)]


@pytest.mark.parametrize("size", [4, 9])
def test_a_group_is_the_frame_and_its_nearest_neighbours(scattered, size):
    distance = np.linalg.norm(scattered[:, None] - scattered, axis=2)
    assert groups(scattered, size).tolist() == distance.argsort(axis=1)[:, :size].tolist()


def test_no_frame_is_twice_in_a_group(scattered):
    assert all(len(set(group)) == 9 for group in groups(scattered, 9))


def test_of_equally_near_frames_the_upper_comes_first_then_the_left_one():
    middle = 12  # of a grid of 5 x 5
    assert groups(grid(5, 5), 4)[middle].tolist() == [12, 7, 11, 13]


@pytest.mark.parametrize("size", [4, 9])
@pytest.mark.parametrize("step", [1.0, 4.5, 3.3])
def test_a_frame_has_the_same_group_in_a_part_of_the_scan(size, step):
    positions = grid(12, 12, step) + 100.25
    part = np.flatnonzero((positions < 100.25 + 8.5 * step).all(1))
    inner = (positions[part] < 100.25 + 4.5 * step).all(1)
    inside = groups(positions[part] - 64, size)[inner]
    assert part[inside].tolist() == groups(positions, size)[part[inner]].tolist()


def test_a_frame_belongs_to_its_group_however_many_frames_lie_on_the_same_spot():
    positions = np.repeat(grid(2, 2), 30, axis=0)
    found = groups(positions, 4)
    assert found[:, 0].tolist() == list(range(120))
    assert all(len(set(group)) == 4 for group in found)


def test_fewer_frames_than_a_group_holds_are_repeated():
    assert groups(grid(1, 2), 4).tolist() == [[0, 1, 0, 1], [1, 0, 1, 0]]


def test_no_frames_make_no_groups():
    assert groups(np.zeros((0, 2)), 4).shape == (0, 4)
