"""PtychoPINN's autoencoder: sizes as published, and where it starts."""

import math

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


def small(**settings) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(CnnSettings(**{"n": 32, "filters_scale": 1, **settings}))


@pytest.mark.parametrize(
    "settings",
    [
        *({"amplitude_activation": name} for name in ("sigmoid", "swish", "softplus", "relu")),
        *({"lineage": name} for name in ("torch", "head")),
        {"border_activation": "swish"},
        {"output": "real_imag"},
        {"output": "real_imag", "border_activation": "swish"},
    ],
    ids=str,
)
def test_starts_at_a_clear_sample(settings):
    patches = small(gridsize=2, **settings)(torch.zeros(1, 4, 32, 32))
    torch.testing.assert_close(patches, torch.ones_like(patches))


@pytest.mark.parametrize("border_activation", ["own", "swish"])
@pytest.mark.parametrize("gridsize", [1, 2, 3])
def test_the_choice_of_output_and_of_last_functions_adds_no_parameters(border_activation, gridsize):
    def count(**settings) -> int:
        return sum(p.numel() for p in small(gridsize=gridsize, **settings).parameters())

    plain = count()
    assert count(border_activation=border_activation) == plain
    assert count(output="real_imag") == plain
    assert count(amplitude_activation="softplus") == plain


def extremes(function, **settings) -> tuple[float, float]:
    """Smallest and largest value of a function of patches in which everything is saturated."""
    network = small(**settings)
    for decoder in network.decoders:
        for layer in (decoder.centre, decoder.border[-1]):
            torch.nn.init.normal_(layer.weight, std=1e3)
    values = function(network(torch.rand(4, 1, 32, 32)).detach())
    return float(values.min()), float(values.max())


@pytest.mark.parametrize(
    ("settings", "function", "low", "high"),
    [
        ({"amplitude_activation": "sigmoid"}, torch.abs, 0, 2),
        ({"amplitude_activation": "unit_sigmoid"}, torch.abs, 0, 1),
        ({"amplitude_activation": "softplus"}, torch.abs, 0, None),
        ({"amplitude_activation": "relu"}, torch.abs, 0, None),
        ({}, torch.angle, -math.pi, math.pi),
        ({"output": "real_imag"}, torch.real, -2, 2),
        ({"output": "real_imag"}, torch.imag, -2, 2),
    ],
    ids=["sigmoid", "unit_sigmoid", "softplus", "relu", "phase", "real", "imaginary"],
)
def test_patches_reach_as_far_as_their_last_function(settings, function, low, high):
    found = extremes(function, **settings)
    assert found[0] == pytest.approx(low, abs=1e-5)
    assert found[1] > 100 if high is None else found[1] == pytest.approx(high, abs=1e-5)


def test_phases_outside_the_central_half_may_be_negative_unless_they_end_in_swish():
    def border(patches: torch.Tensor) -> torch.Tensor:
        return patches[..., :8].angle()

    assert extremes(border)[0] == pytest.approx(-math.pi, abs=1e-5)
    swish = small(border_activation="swish").phase.border_last
    assert -0.3 < float(swish(torch.linspace(-9, 9, 99)).min()) < -0.2


def test_without_a_border_a_patch_is_dark_outside_its_central_half():
    patch = Autoencoder(CnnSettings(n=32, filters_scale=1, probe_big=False))(
        torch.rand(1, 1, 32, 32)
    )
    lit = patch[0, 0].abs() > 0
    assert lit[8:24, 8:24].all()
    assert lit.sum() == 16 * 16


def test_the_border_branch_of_the_newer_lineages_reaches_into_the_centre_only_in_torch():
    for lineage, reaches in (("tf", False), ("head", False), ("torch", True)):
        network = small(lineage=lineage, border_activation="swish")
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
