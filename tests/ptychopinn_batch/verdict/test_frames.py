"""Which frames and which pixels are found to be wrong."""

import numpy as np
import pytest

from ptychopinn_batch.verdict.frames import frame_errors
from ptychopinn_batch.verdict.sample import central_rows


@pytest.fixture(scope="module")
def errors(sampled):
    """The errors of a scan's sample after a few steps, its strange pixels left out."""

    def find(scan):
        sample = sampled(scan)
        return frame_errors(sample, sample.reconstructed(sample.region, 8).object)

    return find


def test_a_sound_scan_has_no_fault(raw, errors):
    found = errors(raw)
    assert (found.dead, found.hot, found.dark, found.repeated, found.odd) == (0, 0, 0, 0, 0)
    assert found.clipped == 0
    assert found.excess < 1.5


def test_pixels_that_the_scan_masks_are_no_news(with_frames, sampled):
    def spoil(frames):
        frames[:, 17, 18], frames[:, 1, 30] = 0, 10**6

    bad = np.zeros((32, 32), bool)
    bad[17, 18] = bad[1, 30] = True
    scan = with_frames(spoil)
    told, untold = sampled(scan, bad_pixels=bad), sampled(scan)
    assert (told.dead | told.hot).sum() == 0
    assert (untold.dead | untold.hot).sum() == 2


def test_dead_and_hot_pixels_are_found_where_they_are(with_frames, errors):
    def spoil(frames):
        frames[:, 17, 18] = 0
        frames[:, 1, 30] = frames.max() // 2

    found = errors(with_frames(spoil))
    assert (found.dead_at, found.hot_at) == (((17, 18),), ((1, 30),))


def test_dark_and_repeated_frames_are_counted(with_frames, errors):
    def spoil(frames):
        frames[::10] //= 300
        frames[5::10] = frames[4::10]

    found = errors(with_frames(spoil))
    assert found.dark == pytest.approx(0.1)
    assert found.repeated == pytest.approx(0.1)


def test_frames_of_another_place_are_odd_and_few_others(with_frames, errors):
    def spoil(frames):
        frames[[7, 77]] = frames[[77, 7]][:, ::-1]

    assert 0.02 <= errors(with_frames(spoil)).odd <= 0.06


def test_full_pixels_are_told_from_bright_ones(with_frames, errors):
    def spoil(frames):
        np.minimum(frames, frames.max() // 6, out=frames)

    assert errors(with_frames(spoil)).clipped > 0.2


def test_a_blurred_detector_is_seen(with_frames, errors):
    from scipy import ndimage

    def spoil(frames):
        frames[:] = ndimage.gaussian_filter(frames.astype(float), (0, 0.8, 0.8)).round()

    found = errors(with_frames(spoil))
    assert found.blur_gain > 0.5
    assert 0.5 <= found.blur_px <= 1.0


@pytest.mark.parametrize("stray", [(2e4, 0.0), (-3e5, 7e4)])
def test_a_frame_far_from_all_others_is_no_part_of_the_sample(stray):
    """A canvas that holds it too takes minutes to reconstruct."""
    across = np.arange(10.0)
    grid = 4 * np.stack(np.meshgrid(across, across), -1).reshape(-1, 2)
    assert len(central_rows(grid, 32, 1)) == 100
    rows = central_rows(np.vstack([grid, stray]), 32, 1)
    assert rows.tolist() == list(range(100))
