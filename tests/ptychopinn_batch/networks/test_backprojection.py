"""The back projection: fused loops compute what plain tensor operations do."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from ptychopinn_batch import physics, region
from ptychopinn_batch.misfit import MISFITS, amplitude
from ptychopinn_batch.networks import fused, transforms
from ptychopinn_batch.networks.backprojection import back_projection
from ptychopinn_batch.simulate.regions import simulated_region
from tests.threads import threads_of_torch

FLOOR = 0.01


def with_modes(given):
    """The region, with a second mode that has no symmetry."""
    second = 0.4 * (given.probe - given.probe.roll(2, -1))
    return replace(given, probe=torch.cat([given.probe, second]))


def with_bad_pixels(given):
    good = torch.rand(given.n, given.n, generator=torch.Generator().manual_seed(0)) > 0.1
    return replace(given, good=good)


def plain(obj, given, monkeypatch):
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr(fused, "compiled", lambda: None)
        return back_projection(obj, given, FLOOR, amplitude)


def quick(obj, given):
    assert fused.serves(given), "Numba is among the dependencies"
    with torch.no_grad():
        return back_projection(obj, given, FLOOR, amplitude)


def assert_equal(one, two):
    torch.testing.assert_close(one[0], two[0], rtol=1e-4, atol=1e-5 * float(two[0].abs().max()))
    torch.testing.assert_close(one[1], two[1], rtol=1e-5, atol=0)


@pytest.mark.parametrize("change", [lambda r: r, with_modes, with_bad_pixels])
def test_fused_loops_compute_what_tensor_operations_do(change, monkeypatch):
    given = change(simulated_region(1))
    obj = given.truth.nan_to_num(1.0) * 0.9
    assert_equal(quick(obj, given), plain(obj, given, monkeypatch))


def test_loops_without_fftw_compute_the_same(monkeypatch):
    given = with_modes(simulated_region(1))
    obj = given.truth.nan_to_num(1.0) * 0.9
    with_fftw = quick(obj, given)
    monkeypatch.setattr(transforms, "fftw", lambda: None)
    assert_equal(quick(obj, given), with_fftw)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_chunks_do_not_change_the_result(threads, monkeypatch):
    given = simulated_region(2)
    obj = torch.ones(given.shape, dtype=torch.complex64)
    usual = quick(obj, given)
    monkeypatch.setattr(fused, "CHUNK_PIXELS", 5 * given.n**2)
    with threads_of_torch(threads):
        assert_equal(quick(obj, given), usual)


def test_the_threads_of_torch_stay_as_many_as_they_were_also_for_threads_that_begin_later():
    given = simulated_region(2)
    with threads_of_torch(2):
        quick(torch.ones(given.shape, dtype=torch.complex64), given)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2


def test_a_misfit_that_is_not_finite_is_seen():
    given = simulated_region(3)
    obj = torch.full(given.shape, torch.nan, dtype=torch.complex64)
    assert not quick(obj, given)[1].isfinite()


def gradient(obj, given, to_total, to_error):
    """Of a function of both results, by the object."""
    leaf = obj.clone().requires_grad_()
    total, error = back_projection(leaf, given, FLOOR, amplitude)
    ((total * to_total.conj()).real.sum() + to_error * error).backward()
    return leaf.grad


@pytest.mark.parametrize("change", [lambda r: r, with_modes, with_bad_pixels])
def test_fused_loops_have_the_gradient_of_tensor_operations(change, monkeypatch):
    given = change(simulated_region(5))
    obj = given.truth.nan_to_num(1.0) * 0.9
    weights = torch.randn(given.shape, dtype=torch.complex64), 3e-3 * float(given.energy)
    found = gradient(obj, given, *weights)
    monkeypatch.setattr(fused, "compiled", lambda: None)
    expected = gradient(obj, given, *weights)
    difference = (found - expected).abs().max() / expected.abs().max()
    assert float(difference) < 1e-4


def test_the_slope_of_the_error_alone_needs_no_second_look_at_the_frames(monkeypatch):
    given = simulated_region(5)
    obj = given.truth.nan_to_num(1.0) * 0.9
    expected = gradient(obj, given, torch.zeros(given.shape, dtype=torch.complex64), 1.0)
    leaf = obj.clone().requires_grad_()
    error = back_projection(leaf, given, FLOOR, amplitude)[1]
    monkeypatch.setattr(fused, "_Work", lambda *_, **__: pytest.fail("frames"))
    error.backward()
    torch.testing.assert_close(leaf.grad, expected)


def test_another_misfit_or_a_probe_to_be_differentiated_takes_tensor_operations(monkeypatch):
    given = simulated_region(3)
    obj = torch.ones(given.shape, dtype=torch.complex64)
    monkeypatch.setattr(fused, "back_projection", lambda *_: pytest.fail("fused"))
    back_projection(obj, given, FLOOR, MISFITS["poisson"])
    probe = given.probe.clone().requires_grad_()
    back_projection(obj, replace(given, probe=probe), FLOOR, amplitude)[1].backward()
    assert probe.grad.isfinite().all()


def test_probes_that_are_too_many_to_keep_are_made_each_time(monkeypatch):
    given = with_modes(simulated_region(4))
    obj = torch.ones(given.shape, dtype=torch.complex64)
    kept, again = quick(obj, given), replace(given)
    monkeypatch.setattr(region, "KEPT_BYTES", 0)
    assert_equal(quick(obj, again), kept)
    assert_equal(plain(obj, again, monkeypatch), kept)
    torch.testing.assert_close(again.illumination, given.illumination)
    assert "probes" not in vars(again)


def test_a_shift_by_whole_pixels_and_fractions_moves_content_there():
    probe = torch.zeros(1, 16, 16, dtype=torch.complex64)
    probe[0, 5, 7] = 1.0
    moved = physics.shifted(probe, torch.tensor([[2.0, 1.0]]))
    assert int(moved.abs().argmax()) == 6 * 16 + 9
