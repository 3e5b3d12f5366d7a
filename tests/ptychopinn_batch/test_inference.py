"""Tiled inference: tiles agree with the whole, and show what was scanned."""

import numpy as np
import pytest
import torch

from ptychopinn_batch.canvas import Window
from ptychopinn_batch.comparison import compare
from ptychopinn_batch.inference import halo, held_out_residual, reconstruct_tile, region_of
from ptychopinn_batch.jobspec import Infer, UnrolledSettings
from ptychopinn_batch.misfit import MISFITS
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.package import load_model
from ptychopinn_batch.training.losses import data_misfit

INFER = Infer(steps=8, tile=64, precision="32")
SEAM = 1e-3  # largest difference of a tiled object from an untiled one, relative to the object


@pytest.fixture(scope="module")
def shipped():
    return load_model().network


def stitched(network, store, infer):
    canvas = store.info.canvas
    obj, weight = np.zeros(canvas.shape, np.complex64), np.zeros(canvas.shape, np.float32)
    for window in canvas.tiles(infer.tile):
        tile = reconstruct_tile(network, store, canvas, window, infer)
        obj[window.slices], weight[window.slices] = tile.object, tile.weight
    return obj, weight


def difference(obj, whole):
    """Of an object from that of a tile, over its well-lit pixels, relative."""
    lit = whole.weight > 0.05
    return np.linalg.norm((obj - whole.object)[lit]) / np.linalg.norm(whole.object[lit])


def test_tiles_agree_with_the_whole(shipped, small_store):
    canvas = small_store.info.canvas
    whole = reconstruct_tile(shipped, small_store, canvas, canvas.whole, INFER)
    obj, weight = stitched(shipped, small_store, INFER)
    np.testing.assert_allclose(weight, whole.weight, atol=1e-5)
    assert difference(obj, whole) < SEAM


def test_a_halo_that_is_too_small_would_show(shipped, small_store):
    """The bound above can fail: without the halo the network needs, seams are larger."""
    canvas = small_store.info.canvas
    whole = reconstruct_tile(shipped, small_store, canvas, canvas.whole, INFER)
    obj, _ = stitched(shipped, small_store, INFER.model_copy(update={"halo": 0}))
    assert difference(obj, whole) > SEAM


def test_the_shipped_network_finds_an_object_it_never_saw(shipped, small_store):
    canvas = small_store.info.canvas
    tile = reconstruct_tile(shipped, small_store, canvas, canvas.whole, Infer(steps=16))
    alike = compare(
        tile.object,
        tile.seen,
        small_store.reference.numpy(),
        canvas,
        small_store.positions.numpy(),
    )
    assert alike.amp_ssim > 0.95
    assert alike.phase_corr > 0.9


def test_training_made_the_network_better_than_the_classical_update(shipped, small_store):
    classical = Unrolled(UnrolledSettings()).eval()
    canvas, infer = small_store.info.canvas, Infer(steps=8, precision="32")
    residuals = [
        held_out_residual(network, small_store, canvas, infer, 0.1)
        for network in (shipped, classical)
    ]
    assert residuals[0] < residuals[1]


def test_a_region_holds_the_frames_whose_centres_lie_in_its_window(small_store):
    canvas, window = small_store.info.canvas, Window(top=24, left=16, bottom=56, right=64)
    region, outer = region_of(small_store, canvas, window)
    centres = canvas.centres(small_store.positions.numpy())
    assert len(region) == window.holds(centres).sum()
    assert (region.corners >= 0).all()
    assert (region.corners[:, 0] + region.n <= outer.shape[1]).all()
    assert (region.corners[:, 1] + region.n <= outer.shape[0]).all()


def test_the_truth_explains_the_frames_of_a_store(small_store):
    """Positions, probe, frames and reference of a store are in one gauge, one grid, one sign."""
    canvas = small_store.info.canvas
    region, _ = region_of(small_store, canvas, canvas.whole)
    truth = small_store.reference[
        canvas.y0 : canvas.y0 + canvas.height, canvas.x0 : canvas.x0 + canvas.width
    ]
    scale = torch.tensor(float((region.energy / len(region)) ** 0.5))
    assert scale > 0
    best = min(
        float(data_misfit(truth.contiguous() * gain, region, MISFITS["amplitude"]))
        for gain in np.linspace(0.8, 1.6, 81)
    )
    mirrored = float(data_misfit(truth.flip(1).contiguous(), region, MISFITS["amplitude"]))
    assert best < 0.002
    assert mirrored > 10 * best


def test_the_halo_covers_at_least_half_a_frame(shipped):
    assert halo(shipped, Infer(halo=0), 64) == 33
    assert halo(shipped, Infer(halo=100), 64) == 100
    assert halo(shipped, Infer(steps=32), 64) == 320


def test_a_tile_that_no_frame_touches_is_blank_and_unseen(shipped, small_store):
    canvas = small_store.info.canvas.model_copy(update={"height": 2000, "width": 2000})
    far = Window(top=1800, left=1800, bottom=1900, right=1900)
    tile = reconstruct_tile(shipped, small_store, canvas, far, INFER)
    assert tile.frames == 0
    assert not tile.seen.any()
    assert not tile.weight.any()
