"""PtychoPINN's autoencoder: sizes as published, and where it starts."""

import pytest
import torch

from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.networks.autoencoder import Autoencoder

TF, TORCH, HEAD = {"lineage": "tf"}, {"lineage": "torch"}, {"lineage": "head"}
PLAIN, CBAM, SMALL = {}, {"cbam": True}, {"probe_big": False}
ONE, FOUR, SHARED = {"gridsize": 1}, {"gridsize": 2}, {"gridsize": 2, "shared_amplitude": True}
# Trainable parameters of the networks as published, filters_scale 2.
PUBLISHED = [
    *((TF, SMALL, ONE, n, c) for n, c in [(64, 2_252_026), (128, 4_639_770), (256, 12_906_154)]),
    *((TF, PLAIN, ONE, n, c) for n, c in [(64, 2_331_772), (128, 4_661_212), (256, 12_912_268)]),
    *((TF, SMALL, FOUR, n, c) for n, c in [(64, 2_257_000), (128, 4_643_880), (256, 12_909_832)]),
    *((TF, PLAIN, FOUR, n, c) for n, c in [(64, 2_340_208), (128, 4_667_056), (256, 12_916_816)]),
    *((TORCH, PLAIN, ONE, n, c) for n, c in [(64, 2_336_308), (128, 4_724_052), (256, 12_990_436)]),
    *((TORCH, CBAM, ONE, n, c) for n, c in [(64, 2_347_830), (128, 4_735_834), (256, 13_002_365)]),
    *(
        (TORCH, PLAIN, FOUR, n, c)
        for n, c in [(64, 2_344_528), (128, 4_731_408), (256, 12_997_360)]
    ),
    *((TORCH, CBAM, FOUR, n, c) for n, c in [(64, 2_356_050), (128, 4_743_190), (256, 13_009_289)]),
    (TORCH, PLAIN, SHARED, 64, 2_341_282),
    *((HEAD, PLAIN, ONE, n, c) for n, c in [(64, 2_328_374), (128, 4_716_118), (256, 12_982_502)]),
    *((HEAD, CBAM, ONE, n, c) for n, c in [(64, 2_339_896), (128, 4_727_900), (256, 12_994_431)]),
    *((HEAD, PLAIN, FOUR, n, c) for n, c in [(64, 2_340_212), (128, 4_727_092), (256, 12_993_044)]),
    *((HEAD, CBAM, FOUR, n, c) for n, c in [(64, 2_351_734), (128, 4_738_874), (256, 13_004_973)]),
]
SCALES_OF_HEAD = 4  # scalars that this lineage counts with the network, but which scale its output


@pytest.mark.parametrize(("lineage", "variant", "group", "n", "published"), PUBLISHED)
def test_has_as_many_parameters_as_published(lineage, variant, group, n, published):
    with torch.device("meta"):
        network = Autoencoder(CnnSettings(n=n, **lineage, **variant, **group))
    count = sum(p.numel() for p in network.parameters())
    assert count == published - (SCALES_OF_HEAD if lineage == HEAD else 0)


@pytest.mark.parametrize("n", [32, 48, 80, 96])
def test_patches_are_as_large_as_frames_of_any_allowed_size(n):
    network = Autoencoder(CnnSettings(n=n, gridsize=2, filters_scale=1))
    patches = network(torch.rand(2, 4, n, n))
    assert patches.shape == (2, 4, n, n)
    assert patches.dtype == torch.complex64


@pytest.mark.parametrize("activation", ["sigmoid", "swish", "softplus", "relu"])
@pytest.mark.parametrize("lineage", ["tf", "head"])
def test_starts_at_a_clear_sample(activation, lineage):
    settings = CnnSettings(
        n=32, filters_scale=1, lineage=lineage, amplitude_activation=activation, gridsize=2
    )
    patches = Autoencoder(settings)(torch.zeros(1, 4, 32, 32))
    torch.testing.assert_close(patches, torch.ones_like(patches))


def test_without_a_border_a_patch_is_dark_outside_its_central_half():
    patch = Autoencoder(CnnSettings(n=32, filters_scale=1, probe_big=False))(
        torch.rand(1, 1, 32, 32)
    )
    lit = patch[0, 0].abs() > 0
    assert lit[8:24, 8:24].all()
    assert lit.sum() == 16 * 16


def test_the_border_branch_of_the_newer_lineages_reaches_into_the_centre_only_in_torch():
    for lineage, reaches in (("tf", False), ("head", False), ("torch", True)):
        network = Autoencoder(CnnSettings(n=32, filters_scale=1, lineage=lineage))
        patch = network(torch.rand(1, 1, 32, 32))
        (gradient,) = torch.autograd.grad(
            patch[..., 16, 16].abs().sum(), network.amplitude.border[-1].bias
        )
        assert bool(gradient.abs() > 0) == reaches


def test_a_shared_amplitude_is_the_same_for_all_frames_of_a_group():
    settings = CnnSettings(n=32, filters_scale=1, gridsize=2, shared_amplitude=True)
    patches = Autoencoder(settings)(torch.rand(1, 4, 32, 32))
    torch.testing.assert_close(patches.abs(), patches.abs()[:, :1].expand(-1, 4, -1, -1))
    assert (patches[:, 0].angle() - patches[:, 1].angle()).abs().max() > 1e-4


@pytest.mark.parametrize("lineage", ["tf", "torch", "head"])
@pytest.mark.parametrize("probe_big", [True, False])
def test_every_parameter_takes_part(lineage, probe_big):
    settings = CnnSettings(
        n=32, filters_scale=1, lineage=lineage, probe_big=probe_big, cbam=True, gridsize=2
    )
    network = Autoencoder(settings)
    network(torch.rand(1, 4, 32, 32)).abs().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None] == []
