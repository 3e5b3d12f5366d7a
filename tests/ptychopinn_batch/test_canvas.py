"""The canvas holds every patch, and its tiles hold every pixel once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ptychopinn_batch.canvas import ALIGNMENT, Canvas, Window

coordinates = st.floats(-300, 300, allow_nan=False)
positions = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=20).map(np.array)


@given(positions, st.sampled_from([16, 32, 64]))
def test_every_patch_lies_on_the_canvas(positions, n):
    canvas = Canvas.around(positions, n)
    corners, fractions = canvas.corners(positions, n)
    assert (corners >= 0).all()
    assert (corners[:, 0] + n <= canvas.width).all()
    assert (corners[:, 1] + n <= canvas.height).all()
    assert ((fractions >= 0) & (fractions <= 1)).all()


@given(positions, st.sampled_from([16, 32]))
def test_corner_and_fraction_give_the_position_back(positions, n):
    canvas = Canvas.around(positions, n)
    corners, fractions = canvas.corners(positions, n)
    back = corners + fractions + n // 2 + [canvas.x0, canvas.y0]
    np.testing.assert_allclose(back, positions, atol=1e-4)


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([64, 128]))
def test_tiles_cover_every_pixel_once(height, width, tile):
    canvas = Canvas(x0=0, y0=0, height=height, width=width)
    count = np.zeros(canvas.shape, int)
    for window in canvas.tiles(tile):
        count[window.slices] += 1
    assert (count == 1).all()
    assert np.prod(canvas.tile_counts(tile)) == len(list(canvas.tiles(tile)))


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 100))
def test_a_grown_window_keeps_its_pixels_and_an_aligned_origin(top, left, margin):
    canvas = Canvas(x0=0, y0=0, height=320, width=330)
    window = Window(top=top, left=left, bottom=min(top + 20, 320), right=min(left + 20, 330))
    grown = window.grown(margin, canvas)
    assert grown.top % ALIGNMENT == 0
    assert grown.left % ALIGNMENT == 0
    assert grown.top <= max(0, top - margin)
    assert grown.bottom == min(320, window.bottom + margin)
    inner = window.relative_to(grown)
    assert inner.shape == window.shape


@given(positions, st.sampled_from([16, 32]), st.integers(0, 20))
def test_a_grown_canvas_holds_frames_that_are_moved_that_far_any_way(positions, n, margin):
    canvas = Canvas.around(positions, n, pixel_size_m=1e-8)
    grown = canvas.grown(margin)
    assert grown.shape == (canvas.height + 2 * margin, canvas.width + 2 * margin)
    assert grown.pixel_size_m == canvas.pixel_size_m
    for way in ([margin, margin], [-margin, -margin], [margin, -margin]):
        corners, _ = grown.corners(positions + way, n)
        assert (corners >= 0).all()
        assert (corners + n <= grown.shape[::-1]).all()


def test_a_pixel_of_the_world_stays_one_when_its_canvas_grows():
    canvas = Canvas(x0=-5, y0=7, height=40, width=30)
    there = canvas.grown(4).centres(np.array([[0.5, 9.0]])) - canvas.centres([[0.5, 9.0]])
    assert (there == 4).all()
