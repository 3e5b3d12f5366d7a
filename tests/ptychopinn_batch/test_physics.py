"""The forward model: energy, signs, sub-pixel shifts, noise floors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.misfit import MISFITS, amplitude, poisson
from ptychopinn_batch.networks.backprojection import back_projection
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.losses import data_misfit, object_error


def gaussian_spot(n: int, x: float, y: float) -> torch.Tensor:
    axis = torch.arange(n, dtype=torch.float32)
    spot = torch.exp(-((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / 8)
    return spot.to(torch.complex64)[None]


def clean_region(seed: int, dose: float | None = None):
    """A simulated region whose frames are exactly what its model says, up to counting noise."""
    region = simulated_region(seed)
    waves = physics.exit_to_detector(region.truth, region.corners, region.probes)
    rate = physics.intensity(waves)
    if dose is None:
        return replace(region, amplitudes=rate.sqrt())
    gain = dose / float(rate.sum((1, 2)).mean())
    counts = torch.poisson(rate * gain, torch.Generator().manual_seed(seed))
    return replace(region, probe=region.probe * gain**0.5, amplitudes=counts.sqrt())


def test_energy_on_the_detector_is_the_energy_of_the_exit_wave():
    wave = torch.randn(3, 16, 16, dtype=torch.complex64)
    torch.testing.assert_close(
        physics.abs2(physics.fft(wave)).sum((1, 2)), physics.abs2(wave).sum((1, 2))
    )


def test_a_flat_object_turns_the_photons_of_the_probe_into_counts():
    region = simulated_region(3)
    flat = torch.ones(region.shape, dtype=torch.complex64)
    counts = physics.intensity(physics.exit_to_detector(flat, region.corners, region.probes))
    photons = physics.abs2(region.probe).sum()
    torch.testing.assert_close(counts.sum((1, 2)), photons.expand(len(region)), rtol=1e-4, atol=1)


def test_a_probe_moves_to_larger_columns_with_x_and_to_larger_rows_with_y():
    moved = physics.shifted(gaussian_spot(32, 14, 15), torch.tensor([[3.0, 0.0], [0.5, 2.25]]))
    torch.testing.assert_close(moved[0], gaussian_spot(32, 17, 15), atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[1], gaussian_spot(32, 14.5, 17.25), atol=1e-4, rtol=0)


def test_patches_are_read_at_row_y_and_column_x():
    obj = torch.zeros(20, 30, dtype=torch.complex64)
    obj[7, 11] = 1  # row 7, column 11
    patch = physics.patches(obj, torch.tensor([[9, 4]]), 8)
    assert patch[0, 7 - 4, 11 - 9] == 1
    assert physics.abs2(patch).sum() == 1


def test_illumination_is_the_sum_of_the_probes_where_they_stand():
    probe = gaussian_spot(16, 8, 8)
    corners = torch.tensor([[2, 3], [10, 3]])
    light = torch.zeros(24, 30)
    physics.add_illumination(light, corners, probe.expand(2, 1, 16, 16))
    expected = torch.zeros(24, 30)
    expected[3:19, 2:18] += physics.abs2(probe[0])
    expected[3:19, 10:26] += physics.abs2(probe[0])
    torch.testing.assert_close(light, expected)


def test_modes_add_incoherently():
    probe = torch.cat([gaussian_spot(16, 8, 8), 1j * gaussian_spot(16, 8, 8)])
    obj, corners = torch.ones(20, 20, dtype=torch.complex64), torch.tensor([[1, 2]])
    both = physics.intensity(physics.exit_to_detector(obj, corners, probe[None]))
    one = physics.intensity(physics.exit_to_detector(obj, corners, probe[None, :1]))
    torch.testing.assert_close(both, 2 * one)


@pytest.mark.parametrize("name", MISFITS)
@pytest.mark.parametrize("seed", [2, 5, 6])
def test_truth_beats_a_flat_object_and_any_mirror_image(name, seed):
    region = clean_region(seed, dose=1e5)
    truth = data_misfit(region.truth, region, MISFITS[name])
    flat = torch.full_like(region.truth, region.truth.abs().mean().item())
    wrong = {
        "flat": flat,
        "left-right": region.truth.flip(1),
        "up-down": region.truth.flip(0),
        "conjugate": region.truth.conj().resolve_conj(),
        "mirrored positions": None,
    }
    for what, obj in wrong.items():
        if obj is None:
            mirrored = replace(region, fractions=1 - region.fractions)
            error = data_misfit(region.truth, mirrored, MISFITS[name])
        else:
            error = data_misfit(obj, region, MISFITS[name])
        assert error > 1.02 * truth, what


def test_the_deviance_of_the_truth_is_its_noise_floor():
    """Twice the sum of deviances is chi-squared distributed: one per lit pixel."""
    region = clean_region(2, dose=1e7)
    rate = physics.intensity(physics.exit_to_detector(region.truth, region.corners, region.probes))
    lit = float((rate > 5).sum())
    model = rate.sqrt()
    deviance = 2 * float(poisson(model[rate > 5], region.amplitudes[rate > 5]))
    assert deviance == pytest.approx(lit, rel=0.05)


def test_the_deviance_is_zero_for_equal_frames_and_defined_for_empty_pixels():
    frames = torch.tensor([[0.0, 1.0], [2.0, 30.0]])
    assert float(poisson(frames, frames)) == pytest.approx(0, abs=1e-4)
    assert float(poisson(torch.ones(2, 2), torch.zeros(2, 2))) == pytest.approx(4)


def test_misfits_do_not_depend_on_a_global_phase():
    region = clean_region(1, dose=1e5)
    turned = region.truth * torch.polar(torch.tensor(1.0), torch.tensor(0.7))
    torch.testing.assert_close(
        data_misfit(turned, region, amplitude), data_misfit(region.truth, region, amplitude)
    )
    assert float(object_error(turned, region.truth, region.illumination)) < 1e-6


@pytest.mark.parametrize("name", MISFITS)
def test_pixels_without_counts_leave_gradients_finite(name):
    region = clean_region(4, dose=30.0)
    assert (region.amplitudes == 0).any()
    obj = torch.ones(region.shape, dtype=torch.complex64, requires_grad=True)
    data_misfit(obj, region, MISFITS[name]).backward()
    assert obj.grad.isfinite().all()
    assert obj.grad.abs().max() > 0


def test_bad_pixels_change_nothing():
    region = clean_region(4, dose=1e5)
    good = torch.rand(region.n, region.n, generator=torch.Generator().manual_seed(0)) > 0.1
    masked = replace(region, good=good)
    spoilt = replace(masked, amplitudes=torch.where(good, region.amplitudes, torch.tensor(1e6)))
    one, _ = back_projection(region.truth, masked, 0.01, amplitude)
    two, _ = back_projection(region.truth, spoilt, 0.01, amplitude)
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(
        data_misfit(region.truth, masked, amplitude), data_misfit(region.truth, spoilt, amplitude)
    )


def test_the_back_projection_is_the_gradient_of_the_misfit():
    """d misfit / d conj(O) = -(back projection), for the amplitude misfit (Wirtinger)."""
    region = clean_region(0, dose=1e6)
    obj = torch.ones(region.shape, dtype=torch.complex64, requires_grad=True)
    floor = 1e-3 * region.scale.amplitude
    _, error = back_projection(obj, region, floor, amplitude)
    (error * region.energy).backward()
    total, _ = back_projection(obj.detach(), region, floor, amplitude)
    difference = (obj.grad / 2 + total).abs().max() / total.abs().max()
    assert float(difference) < 1e-3


def test_residual_of_exact_frames_is_zero():
    region = clean_region(1)
    assert float(data_misfit(region.truth, region, amplitude)) < 1e-8
    assert np.isfinite(float(data_misfit(region.truth * 0, region, amplitude)))
