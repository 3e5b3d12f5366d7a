"""Sources of frames and the geometry of a scan."""

import numpy as np
import pytest

from ptychopinn_batch.data.source import (
    ArrayFrames,
    GeneratedFrames,
    Geometry,
    block_size,
    canvas_of,
    first_frames,
)

STACK = np.arange(11 * 4 * 4).reshape(11, 4, 4)


def generated() -> GeneratedFrames:
    return GeneratedFrames(11, 4, STACK.dtype, lambda first, end: STACK[first:end])


@pytest.mark.parametrize("source", [ArrayFrames(STACK), generated()])
@pytest.mark.parametrize("size", [1, 3, 11, 50])
def test_blocks_hold_every_frame_once_and_in_order(source, size):
    blocks = list(source.blocks(size))
    assert (np.concatenate(blocks) == STACK).all()
    assert {len(block) for block in blocks[:-1]} <= {size}
    assert (len(source), source.n, source.dtype) == (11, 4, STACK.dtype)


@pytest.mark.parametrize("size", [1, 3, 5, 6, 50])
def test_the_first_frames_of_a_scan(raw, size):
    part = first_frames(raw, 6)
    assert (np.concatenate(list(part.frames.blocks(size))) == raw.frames.array[:6]).all()
    assert len(part.frames) == len(part.positions) == len(part.scan_index) == 6
    assert (part.frames.n, part.frames.dtype) == (raw.frames.n, raw.frames.dtype)


def test_a_block_has_at_least_a_frame():
    assert block_size(64) == 512
    assert block_size(4096) == 1


def test_the_pixel_of_an_object_follows_from_far_field_sampling():
    geometry = Geometry(energy_ev=8000, distance_m=2.0, detector_pixel_m=75e-6)
    assert geometry.pixel_size(128) == pytest.approx(1.5498e-10 * 2 / (128 * 75e-6), rel=1e-4)


def test_a_canvas_has_a_pixel_size_where_the_geometry_is_known(raw):
    geometry = Geometry(energy_ev=8000, distance_m=2.0, detector_pixel_m=75e-6)
    assert canvas_of(raw.positions, 16, None).pixel_size_m is None
    assert canvas_of(raw.positions, 16, geometry).pixel_size_m == geometry.pixel_size(16)
