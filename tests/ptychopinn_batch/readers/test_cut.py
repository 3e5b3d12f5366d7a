"""Cropping and binning: what they do to frames, probe, mask and pixel sizes."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.errors import UserError
from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.source import ArrayFrames
from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.readers.cut import Cut, binned, find_cut, rechunked, summed_dtype
from ptychopinn_batch.readers.opened import OpenScan
from ptychopinn_batch.readers.recording import Recording, Track
from ptychopinn_batch.simulate.scan import simulate_scan

from .conftest import frames_of, read

SHAPE = (5, 40, 50)


class Stack:
    """Frames in memory as a reader has them."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def pieces(self, rows, box):
        for start in range(rows.start, rows.stop, 4):
            yield self.array[start : min(start + 4, rows.stop), *box]


def opened(array, positions, probe, **options):
    path = options.pop("path", "scan")
    recording = Recording("test", path, Stack(array), Track(positions, "px", "here"), probe=probe)
    return OpenScan(recording, Scan(path="scan", **options))


def cut_of(**options):
    return find_cut(SHAPE, Scan(path="x", **options), "here")


def test_frames_are_cropped_around_their_middle_or_the_given_centre():
    assert cut_of(crop=16) == Cut(top=12, left=17, size=16, by=1)
    assert cut_of(crop=16, centre=(10, 40)) == Cut(top=2, left=32, size=16, by=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "40 x 50 pixels, not square"),
        (
            {"crop": 48},
            "a square of 48 pixels around row 20, column 25 does not fit into frames of 40 x 50",
        ),
        (
            {"crop": 16, "centre": (3, 20)},
            r"around row 3, column 20 does not fit into frames of .* Write another crop or centre",
        ),
        ({"centre": (3, 20)}, "a centre is given, but no crop"),
    ],
)
def test_a_cut_that_does_not_fit_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        cut_of(**options)


def test_uncropped_frames_must_fill_their_bins():
    with pytest.raises(UserError, match=r"40 pixels a side do not make bins of 6\. Write crop: 36"):
        find_cut((5, 40, 40), Scan(path="x", bin=6), "here")


def test_counts_are_added_up_and_amplitudes_as_counts():
    frames = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    expected = frames.reshape(2, 2, 2, 2, 2).sum((2, 4))
    np.testing.assert_array_equal(binned(frames, 2, "counts"), expected)
    amplitudes = binned(np.sqrt(frames.astype(float)), 2, "amplitude")
    np.testing.assert_allclose(amplitudes**2, expected)


@pytest.mark.parametrize(
    ("dtype", "by", "expected"),
    [("u1", 2, "u2"), ("u2", 2, "u4"), ("u4", 4, "u8"), ("u8", 8, "u8"), ("i2", 3, "i8"),
     ("f4", 2, "f4"), ("f2", 2, "f4"), ("f8", 2, "f8")],
)  # fmt: skip
def test_sums_fit_into_their_type(dtype, by, expected):
    assert summed_dtype(np.dtype(dtype), by) == expected


def test_a_bin_with_a_bad_pixel_is_bad():
    bad = np.zeros((8, 8), bool)
    bad[3, 4] = True
    found = Cut(0, 0, 8, 2).mask(bad)
    assert np.argwhere(found).tolist() == [[1, 2]]


def test_positions_in_pixels_of_an_oblong_detector_are_refused(refusal_of):
    positions = np.stack([np.arange(5.0), np.arange(5.0)], 1)
    scan = opened(np.ones(SHAPE), positions, np.ones((1, 16, 16), complex), crop=16)
    assert refusal_of(lambda: scan.positions) == (
        "positions are in pixels, but those of frames of 40 x 50",
        "scan",
        "Give positions in metres",
    )


def test_what_a_sum_would_hide_is_told():
    frames = np.full((6, 16, 16), 5.0)
    frames[4, 2, 2] = -1
    positions = np.stack([np.arange(6.0), np.arange(6.0)], 1)
    scan = opened(frames, positions, np.ones((1, 8, 8), complex), bin=2, measurement="counts")
    with pytest.raises(UserError, match="frame 4 is negative"):
        frames_of(scan)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 7))
@settings(deadline=None)
def test_blocks_have_one_size_whatever_the_pieces(lengths, size):
    ends = np.cumsum([0, *lengths])
    pieces = [np.arange(a, b)[:, None, None] for a, b in pairwise(ends)]
    blocks = list(rechunked(iter(pieces), size))
    assert [len(block) for block in blocks[:-1]] == [size] * len(blocks[:-1])
    assert [int(v) for block in blocks for v in block.ravel()] == list(range(ends[-1]))


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_any_selection_of_frames_is_that_of_the_array(data):
    count = data.draw(st.integers(3, 23))
    start, step = data.draw(st.integers(0, count - 1)), data.draw(st.integers(1, 4))
    array = np.arange(count * 256, dtype=np.uint32).reshape(count, 16, 16)
    positions = np.stack([np.arange(count), np.zeros(count)], 1)
    select = f"{start}::{step}"
    scan = opened(array, positions, np.ones((1, 16, 16), complex), select=select)
    np.testing.assert_array_equal(frames_of(scan, 5), array[start::step])
    np.testing.assert_array_equal(scan.positions, positions[start::step])


def residual(raw, frames, probe, obj):
    """Of amplitudes, after one common factor."""
    n = probe.shape[-1]
    canvas = Canvas(x0=0, y0=0, height=obj.shape[0], width=obj.shape[1])
    corners, fractions = canvas.corners(raw.positions, n)
    probes = physics.shifted(torch.from_numpy(probe), torch.from_numpy(fractions))
    waves = physics.exit_to_detector(torch.from_numpy(obj), torch.from_numpy(corners), probes)
    model = np.fft.fftshift(physics.intensity(waves).sqrt().numpy(), axes=(1, 2))
    measured = np.sqrt(frames.astype(float))
    factor = (model * measured).sum() / (model**2).sum()
    return float(((factor * model - measured) ** 2).sum() / (measured**2).sum())


@pytest.fixture(scope="module")
def large():
    """Frames of 64 pixels whose probe would fit into 32."""
    raw = simulate_scan(
        Simulation(
            frames=36, frame_size=64, step=3.0, probe_radius=0.1, photons=1e7, object="field"
        )
    )
    return raw, ArrayFrames(frames_of(raw))


def scan_of(raw, frames, **options):
    return opened(frames.array, raw.positions, raw.probe, **options)


def test_binned_frames_are_explained_by_the_same_object_and_the_binned_probe(large):
    raw, frames = large
    scan = scan_of(raw, frames, bin=2)
    probe, found = scan.probe.astype(np.complex64), frames_of(scan)
    assert (scan.n, probe.shape) == (32, (1, 32, 32))
    np.testing.assert_array_equal(scan.positions, raw.positions)
    good = residual(raw, found, probe, raw.reference)
    slope = np.exp(2j * np.pi * (np.arange(32) - 16) / 32 / 2)
    unturned = (probe * slope[:, None] * slope).astype(np.complex64)
    assert good < 0.02  # a bin is not a point
    assert residual(raw, found, unturned, raw.reference) > 5 * good


def test_a_cropped_detector_makes_larger_pixels_and_fewer_of_them(large):
    raw, frames = large
    scan = scan_of(raw, frames, crop=32)
    np.testing.assert_allclose(scan.positions, raw.positions / 2)
    field = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(raw.probe[0])))
    cropped = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(scan.probe[0])))
    np.testing.assert_allclose(cropped, field[16:48, 16:48], atol=0.02)
    np.testing.assert_array_equal(frames_of(scan), frames.array[:, 16:48, 16:48])


def test_lengths_of_a_pixel_follow(save):
    path, optics = save(), {"energy_ev": 8000.0, "distance_m": 2.0, "detector_pixel_m": 75e-6}
    whole, half = read(path, **optics), read(path, **optics, crop=8)
    two = read(path, **optics, bin=2, measurement="counts")
    size = whole.geometry.pixel_size(16)
    assert half.geometry.pixel_size(8) == pytest.approx(2 * size)
    assert two.geometry.pixel_size(8) == pytest.approx(size)
    assert two.geometry.detector_pixel_m == 150e-6
