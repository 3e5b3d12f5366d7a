"""Residuals: at the counting noise for the truth, above it for anything else, frame by frame."""

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.residual import holds_counts, residuals
from ptychopinn_batch.simulate.scan import simulate_scan

SCAN = {"frames": 30, "frame_size": 32, "step": 4.0, "photons": 2e4}


def store_of(folder, **changes):
    return build_store(simulate_scan(Simulation(**{**SCAN, **changes})), folder / "store")


def truth(store):
    """The stored reference on the store's canvas."""
    canvas = store.info.canvas
    rows, columns = (
        slice(canvas.y0, canvas.y0 + canvas.height),
        slice(canvas.x0, canvas.x0 + canvas.width),
    )
    obj = store.reference.numpy()[rows, columns]
    assert obj.shape == canvas.shape
    return np.ascontiguousarray(obj)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return store_of(tmp_path_factory.mktemp("residual"))


def test_the_truth_is_explained_to_the_counting_noise(store):
    found = residuals(store, truth(store), store.info.canvas)
    assert found.fitted == pytest.approx(found.noise, rel=0.05)


@pytest.mark.parametrize("photons", [200.0, 1e6])
def test_the_noise_is_right_in_the_dark_and_in_the_light(tmp_path, photons):
    store = store_of(tmp_path, photons=photons)
    found = residuals(store, truth(store), store.info.canvas)
    assert found.fitted == pytest.approx(found.noise, rel=0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.ones_like, id="empty"),
        pytest.param(lambda obj: obj.conj(), id="conjugate"),
        pytest.param(lambda obj: np.roll(obj, 1, 0), id="a pixel off"),
        pytest.param(lambda obj: obj[:, ::-1].copy(), id="mirrored"),
    ],
)
def test_anything_else_is_explained_worse(store, wrong):
    found = residuals(store, wrong(truth(store)), store.info.canvas)
    assert found.fitted > 2 * found.noise


def test_an_empty_object_has_the_residual_of_an_empty_object(store):
    canvas = store.info.canvas
    found = residuals(store, np.ones(canvas.shape, np.complex64), canvas)
    assert found.fitted == pytest.approx(found.empty, rel=1e-5)


def test_a_global_phase_changes_nothing(store):
    obj, canvas = truth(store), store.info.canvas
    turned = residuals(store, (obj * np.exp(1j)).astype(np.complex64), canvas)
    assert turned.fitted == pytest.approx(residuals(store, obj, canvas).fitted, rel=1e-4)


def test_bad_pixels_do_not_count(tmp_path):
    store = store_of(tmp_path, bad_pixels=100)
    found = residuals(store, truth(store), store.info.canvas)
    assert found.fitted == pytest.approx(found.noise, rel=0.05)


def test_modes_add_incoherently(tmp_path):
    store = store_of(tmp_path, modes=2)
    found = residuals(store, truth(store), store.info.canvas)
    assert found.fitted == pytest.approx(found.noise, rel=0.05)


def test_blocks_of_frames_add_up_to_the_whole(store, monkeypatch):
    obj, canvas, beats = truth(store), store.info.canvas, []
    whole = residuals(store, obj, canvas)
    monkeypatch.setattr(physics, "CHUNK_PIXELS", 7 * 32**2)
    found = residuals(store, obj, canvas, beat=lambda *figures: beats.append(figures))
    assert found.fitted == pytest.approx(whole.fitted, rel=1e-6)
    assert beats == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]


def test_every_frame_is_shown_once_in_order_without_its_bad_pixels(tmp_path, monkeypatch):
    store, seen = store_of(tmp_path, bad_pixels=100), []
    monkeypatch.setattr(physics, "CHUNK_PIXELS", 7 * 32**2)
    found = residuals(
        store, truth(store), store.info.canvas, look=lambda *block: seen.append(block)
    )
    model, measured = (torch.cat(blocks) for blocks in zip(*seen, strict=True))
    assert torch.equal(measured, store.amplitudes(torch.arange(30)))
    assert (model[:, ~store.mask] == 0).all()
    error = (model - measured).square().sum() / measured.square().sum()
    assert float(error) == pytest.approx(found.fitted, rel=1e-5)


def test_amplitudes_that_are_no_roots_of_counts_have_unknown_noise(store, monkeypatch):
    assert holds_counts(store)
    plain = type(store).amplitudes
    monkeypatch.setattr(type(store), "amplitudes", lambda self, rows: 0.7 * plain(self, rows))
    assert not holds_counts(store)
    assert residuals(store, truth(store), store.info.canvas).noise is None


def test_an_object_that_is_not_finite_has_no_finite_residual(store):
    canvas = store.info.canvas
    broken = np.full(canvas.shape, np.nan, np.complex64)
    assert not torch.tensor(residuals(store, broken, canvas).fitted).isfinite()
