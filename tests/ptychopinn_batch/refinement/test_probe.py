"""Modes of the probe: how they begin, how they are told, and that a step improves them."""

from dataclasses import replace

import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.refinement.probe import (
    EXPONENTS,
    NEW_MODE,
    orthogonal_modes,
    probe_step,
    with_modes,
)
from ptychopinn_batch.simulate.probes import with_modes as with_true_modes

from .conftest import N, lens


def products(probe):
    """Inner products (M, M) of modes, relative to the power of the strongest."""
    flat = probe.to(torch.complex128).flatten(1)
    gram = flat.conj() @ flat.T
    return gram / gram.real.diagonal().max()


def power(probe):
    return physics.abs2(probe).sum((1, 2))


def mixed_modes():
    """Three modes that are not orthogonal."""
    torch.manual_seed(2)
    mixing = torch.randn(3, 3, dtype=torch.complex64)
    return (mixing @ with_modes(lens(4.0), 3).flatten(1)).view(3, N, N)


def misfit(obj, region):
    return float(data_misfit(obj, region, MISFITS["amplitude"]))


def distance(probe, other):
    """Relative difference of two probes of one mode, up to a common phase."""
    product = (other.conj() * probe).sum()
    return float((probe - other * product / product.abs()).norm() / other.norm())


# How many there are


@pytest.mark.parametrize("modes", [1, 2, 8])
def test_added_modes_take_their_power_from_the_recorded_ones(modes):
    new = with_modes(lens(4.0), modes)
    assert new.shape == (modes, N, N)
    torch.testing.assert_close(power(new).sum(), power(lens(4.0)).sum())
    assert torch.allclose(power(new)[1:] / power(new)[0], torch.tensor(NEW_MODE))


def test_added_modes_are_orthogonal_to_all_others():
    torch.testing.assert_close(
        products(with_modes(lens(4.0), 8)).abs().triu(1),
        torch.zeros(8, 8, dtype=torch.float64),
        atol=1e-5,
        rtol=0,
    )


def test_recorded_modes_stay_first_and_in_proportion():
    recorded = with_modes(lens(4.0), 2)
    new = with_modes(recorded, 4)
    factor = float((power(new)[:2].sum() / power(recorded).sum()).sqrt())
    assert factor < 1
    torch.testing.assert_close(new[:2], factor * recorded)


def test_a_probe_of_enough_modes_stays_as_it_is():
    recorded = with_modes(lens(4.0), 3)
    torch.testing.assert_close(with_modes(recorded, 2), recorded)


def test_there_is_a_first_guess_of_as_many_modes_as_a_spec_may_ask_for():
    assert len(EXPONENTS) >= 8 - 1


# How they are told


def test_orthogonal_modes_are_the_same_light_on_the_sample_and_on_the_detector(truth):
    probe = mixed_modes()
    told = orthogonal_modes(probe)
    patch = truth.object[5 : 5 + N, 7 : 7 + N]
    for light in (lambda modes: modes, lambda modes: physics.fft(modes * patch)):
        before, after = (physics.abs2(light(modes)).sum(0) for modes in (probe, told))
        torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5 * float(before.max()))


def test_they_are_orthogonal_and_the_strongest_comes_first():
    told = orthogonal_modes(mixed_modes())
    assert float(products(told).abs().triu(1).max()) < 1e-4
    assert (power(told).diff() < 0).all()


# A step


def test_the_true_probe_is_left_as_it_is(truth):
    assert distance(probe_step(truth.object, truth.region), truth.region.probe) < 1e-3


def refined(truth, probe, steps):
    """The probe after so many steps with the true object, and R before and after."""
    region = truth.recorded(probe=probe)
    before = misfit(truth.object, region)
    for _ in range(steps):
        region = replace(region, probe=probe_step(truth.object, region))
    return region.probe, before, misfit(truth.object, region)


def test_every_step_brings_a_defocused_probe_nearer_to_the_true_one(truth):
    probe = lens(5.5)
    for _ in range(4):
        new, before, after = refined(truth, probe, 1)
        assert distance(new, truth.region.probe) < distance(probe, truth.region.probe)
        assert after < before
        probe = new


def test_the_true_probe_is_found_whatever_the_fractions_of_the_positions(truth):
    assert truth.region.fractions.std() > 0.2, "else there is nothing to move back"
    found, before, after = refined(truth, lens(5.5), 32)
    assert after < before / 12
    assert distance(found, truth.region.probe) < 0.35 * distance(lens(5.5), truth.region.probe)


def test_bad_pixels_ask_for_nothing(bad_pixels):
    assert distance(probe_step(bad_pixels.object, bad_pixels.region), lens(4.0)) < 1e-3
    found, before, after = refined(bad_pixels, lens(5.5), 32)
    assert after < before / 12
    assert distance(found, lens(4.0)) < 0.35 * distance(lens(5.5), lens(4.0))


def test_a_step_does_not_depend_on_how_frames_are_cut_in_chunks(truth, monkeypatch):
    region = truth.recorded(probe=with_modes(lens(5.5), 2))
    whole = probe_step(truth.object, region)
    monkeypatch.setattr(physics, "CHUNK_PIXELS", 7 * N**2)
    torch.testing.assert_close(
        probe_step(truth.object, region), whole, rtol=1e-4, atol=1e-5 * float(whole.abs().max())
    )


def test_modes_explain_more_of_partly_coherent_frames_than_one_mode_can(truth):
    two = torch.from_numpy(with_true_modes(lens(4.0)[0].numpy(), 2) * 1e3)
    waves = physics.exit_to_detector(
        truth.object, truth.region.corners, physics.shifted(two, truth.region.fractions)
    )
    partly = replace(truth, region=truth.recorded(amplitudes=physics.intensity(waves).sqrt()))
    _, _, one = refined(partly, lens(4.0), 20)
    _, before, guessed = refined(partly, with_modes(lens(4.0), 2), 20)
    _, _, right = refined(partly, two, 20)
    assert right < 1e-6
    assert guessed < before / 15
    assert guessed < 0.9 * one
