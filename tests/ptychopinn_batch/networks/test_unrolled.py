"""The unrolled network: untrained it is the classical update; it never sees what tiles are."""

from dataclasses import replace

import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.jobspec import UnrolledSettings
from ptychopinn_batch.misfit import MISFITS, amplitude
from ptychopinn_batch.networks.backprojection import back_projection
from ptychopinn_batch.networks.registry import build_network
from ptychopinn_batch.networks.scales import bands
from ptychopinn_batch.networks.unet import UNet
from ptychopinn_batch.networks.unrolled import SETTLED, Unrolled
from ptychopinn_batch.package import load_model
from ptychopinn_batch.simulate.regions import simulated_region

SMALL = UnrolledSettings(width=8, hidden=2, depth=2)


def trained_like(seed: int = 0) -> Unrolled:
    """A network whose head does something, as after training."""
    torch.manual_seed(seed)
    network = Unrolled(SMALL)
    for head in (network.unet.head, *network.unet.tops):
        torch.nn.init.normal_(head.weight, std=0.02)
    return network


@pytest.mark.parametrize(("depth", "count"), [(2, 70_542), (4, 281_074)])
def test_levels_cost_parameters(depth, count):
    network = build_network("unrolled", UnrolledSettings(depth=depth))
    assert sum(p.numel() for p in network.parameters()) == count


def test_the_result_alone_is_that_of_all_steps():
    region, network = simulated_region(1), trained_like().eval()
    with torch.no_grad():
        every, alone = network(region, steps=5), network.solve(region, steps=5)
    assert len(every.objects) == 5
    assert len(alone.objects) == 1
    assert torch.equal(alone.object, every.object)
    assert torch.equal(alone.misfits[-1], every.misfits[-1])


def test_a_new_network_is_as_large_as_the_default_that_ships():
    assert load_model().network.settings == UnrolledSettings()


def test_untrained_it_is_the_classical_simultaneous_update():
    region = simulated_region(1)
    result = Unrolled(SMALL)(region, steps=3)
    obj = torch.ones(region.shape, dtype=torch.complex64)
    light, top = region.illumination, region.scale.illumination
    for step in range(3):
        total, _ = back_projection(obj, region, 1e-3 * region.scale.amplitude, amplitude)
        update = physics.scaled(total, 1 / (light + physics.DAMPING * top))
        obj = obj + physics.scaled(update, (light > 1e-4 * top).float())
        torch.testing.assert_close(result.objects[step], obj, rtol=1e-4, atol=1e-4)


def test_untrained_it_lowers_the_residual_in_every_step():
    result = Unrolled(SMALL)(simulated_region(2), steps=6)
    assert (result.misfits.diff() < 0).all()


def test_misfits_are_those_of_the_objects():
    region = simulated_region(3)
    result = trained_like()(region, steps=2, misfit=MISFITS["poisson"])
    floor = 1e-3 * region.scale.amplitude
    for obj, misfit in zip(result.objects, result.misfits, strict=True):
        again = back_projection(obj, region, floor, MISFITS["poisson"])[1]
        torch.testing.assert_close(misfit, again)


def test_warm_steps_are_steps_without_gradient():
    region, network = simulated_region(4), trained_like()
    plain = network(region, steps=5)
    warm = network(region, steps=2, warm=3)
    torch.testing.assert_close(warm.object, plain.object)
    warm.misfits[-1].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_chunks_do_not_change_the_result(monkeypatch):
    region, network = simulated_region(5), trained_like()
    whole = network(region, steps=2).object
    monkeypatch.setattr(physics, "CHUNK_PIXELS", 7 * region.n**2)
    torch.testing.assert_close(network(region, steps=2).object, whole, rtol=1e-4, atol=1e-5)


def test_two_equal_half_modes_are_one_mode():
    region, network = simulated_region(6), trained_like()
    halves = torch.cat([region.probe, 1j * region.probe]) / 2**0.5
    torch.testing.assert_close(
        network(replace(region, probe=halves), steps=2).object,
        network(region, steps=2).object,
        rtol=1e-3,
        atol=1e-4,
    )


def test_unlit_pixels_stay_as_they_were():
    result = trained_like()(simulated_region(7), steps=3)
    assert (~result.seen).any()
    assert (result.object[~result.seen] == 1).all()


def test_the_unet_answers_at_the_size_of_its_image():
    unet = UNet(3, 5, 2, width=4, depth=3)
    light = torch.rand(1, 1, 32, 40)
    image, hidden = torch.randn(1, 3, 32, 40), torch.zeros(1, 5, 16, 20)
    answer = unet(image, hidden, list(bands(torch.randn(1, 2, 32, 40), light, 2)))
    assert answer.fine.shape == (1, 2, 32, 40)
    assert answer.coarse.shape == (1, 2, 32, 40)
    assert answer.hidden.shape == (1, 5, 16, 20)
    assert not any(part.any() for part in answer), "its heads start at zero"


def test_regions_of_any_size_are_reconstructed():
    region = simulated_region(8)
    for shape in (region.shape, (region.shape[0] + 5, region.shape[1] + 1)):
        result = trained_like()(replace(region, shape=shape), steps=2)
        assert result.object.shape == shape
        assert result.object.isfinite().all()


def wild() -> Unrolled:
    """A network that moves the object as it likes."""
    torch.manual_seed(1)
    network = Unrolled(SMALL)
    for head in (network.unet.head, *network.unet.tops):
        torch.nn.init.normal_(head.weight, std=3)
    return network


def test_a_network_that_leads_astray_is_trusted_less_and_the_frames_stay_explained():
    region, classical = simulated_region(2), Unrolled(SMALL)
    with torch.inference_mode():
        led = wild().train()(region, steps=30).misfits[-1]
        guarded = wild().eval()(region, steps=30).misfits[-1]
        plain = classical.eval()(region, steps=12).misfits[-1]
    assert led > 2 * plain, "else there is nothing to guard against"
    assert guarded < 1.3 * plain


def test_the_guard_does_nothing_where_all_goes_well():
    region, network = simulated_region(2), Unrolled(SMALL)
    with torch.inference_mode():
        assert torch.equal(
            network.train()(region, steps=6).object, network.eval()(region, steps=6).object
        )


def test_a_last_step_that_leads_astray_is_taken_back():
    region = simulated_region(2)
    with torch.inference_mode():
        led = wild().train()(region, steps=2).misfits
        guarded = wild().eval()(region, steps=2)
        best = wild().eval()(region, steps=1)
    assert led[1] > SETTLED * led[0], "else there is nothing to take back"
    assert torch.equal(guarded.object, best.object)
    torch.testing.assert_close(guarded.misfits[-1], best.misfits[0])
