"""The patchwise network: patches in their places, tiles equal to the whole, learning."""

from dataclasses import replace

import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas, Window
from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.networks.cnn import Cnn
from ptychopinn_batch.networks.registry import build_network
from ptychopinn_batch.region import Region, Scale

PHOTONS = 1e5


def positions(rows: int, columns: int, step: float, n: int) -> torch.Tensor:
    """A grid at fractions of a pixel, as (x, y)."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    grid = torch.stack([x, y], -1).view(-1, 2) * step + n
    return (grid + 0.7 * torch.sin(grid * 7)).double()


def asymmetric(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """An object without any symmetry, smooth enough for bilinear interpolation."""
    phase = 0.8 * torch.sin(0.13 * x + 0.21 * y) + 0.004 * x
    return torch.polar(0.9 + 0.1 * torch.cos(0.09 * x - 0.17 * y), phase)


def pixels(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Column and row numbers, as x and y."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return x.float(), y.float()


def scan(n: int = 32, rows: int = 3, columns: int = 3, step: float = 4.0) -> Region:
    """A region of a simulated scan, whole pixels and fractions."""
    where = positions(rows, columns, step, n).numpy()
    canvas = Canvas.around(where, n)
    corners, fractions = map(torch.from_numpy, canvas.corners(where, n))
    u = torch.arange(n) - n // 2
    radius = (u[:, None] ** 2 + u**2).float()
    probe = torch.polar(torch.exp(-radius / (2 * (n / 10) ** 2)), radius / (2 * n))[None]
    probe = probe * (PHOTONS / physics.abs2(probe).sum()).sqrt()
    truth = asymmetric(*pixels(*canvas.shape))
    waves = physics.exit_to_detector(truth, corners, physics.shifted(probe, fractions))
    blank = Region(
        corners=corners,
        fractions=fractions,
        probe=probe,
        amplitudes=physics.intensity(waves).sqrt(),
        shape=canvas.shape,
        scale=Scale(illumination=1.0, amplitude=float(physics.intensity(waves).max().sqrt())),
        truth=truth,
    )
    brightest = float(blank.illumination.max())
    return replace(blank, scale=replace(blank.scale, illumination=brightest))


def whole_pixels(region: Region) -> Region:
    """The same scan with every position at the pixel below it."""
    waves = physics.exit_to_detector(region.truth, region.corners, region.probe[None])
    fractions = torch.zeros_like(region.fractions)
    return replace(region, fractions=fractions, amplitudes=physics.intensity(waves).sqrt())


def network(**settings) -> Cnn:
    torch.manual_seed(0)
    return Cnn(CnnSettings(**{"n": 32, "filters_scale": 1, **settings}))


def part(region: Region, window: Window) -> tuple[Region, Window]:
    """The frames whose centres lie in a window, and the larger window that holds their patches."""
    half = region.n // 2
    inside = torch.from_numpy(window.holds((region.corners + half).numpy()))
    whole = Canvas(x0=0, y0=0, height=region.shape[0], width=region.shape[1])
    outer = window.grown(half + 1, whole)
    corner = torch.tensor([outer.left, outer.top])
    chosen = region.subset(inside)
    return replace(chosen, corners=chosen.corners - corner, shape=outer.shape), outer


class TruePatches(torch.nn.Module):
    """Stands for a perfectly trained autoencoder: knows every frame's patch of the truth."""

    def __init__(self, region: Region) -> None:
        super().__init__()
        self.known = physics.patches(region.truth, region.corners, region.n)
        self.frames = torch.fft.fftshift(region.amplitudes, dim=(-2, -1)).flatten(1)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        scaled = torch.nn.functional.normalize(frames.flatten(2), dim=-1)
        likeness = scaled @ torch.nn.functional.normalize(self.frames, dim=-1).T
        return self.known[likeness.argmax(-1)]


@pytest.mark.parametrize("gridsize", [1, 2])
@pytest.mark.parametrize("probe_big", [True, False])
def test_true_patches_of_an_asymmetric_object_give_it_back(gridsize, probe_big):
    region = whole_pixels(scan())
    net = network(gridsize=gridsize, probe_big=probe_big, input="amplitude")
    net.autoencoder = TruePatches(region)
    result = net(region, steps=1)
    assert result.seen.float().mean() > 0.3
    torch.testing.assert_close(result.object[result.seen], region.truth[result.seen])


def patches_seen_from(region: Region, sign: int) -> torch.Tensor:
    """The object on each frame's own grid, whose pixel N//2 is the position."""
    x, y = pixels(region.n, region.n)
    where = region.corners + sign * region.fractions
    return asymmetric(x + where[:, 0, None, None], y + where[:, 1, None, None])


def test_patches_explain_frames_with_the_probe_in_the_middle():
    region = scan()
    error = {}
    for sign in (1, -1):
        waves = physics.fft(region.probe * patches_seen_from(region, sign))
        error[sign] = MISFITS["amplitude"](physics.abs2(waves).sqrt(), region.amplitudes)
    assert error[1] / region.energy < 1e-6
    assert error[-1] / region.energy > 1e-2


def test_such_patches_give_back_the_object_at_fractions_of_a_pixel():
    region, net = scan(), network(input="amplitude")
    net.autoencoder = TruePatches(region)
    net.autoencoder.known = patches_seen_from(region, 1)
    result = net(region, steps=1)
    torch.testing.assert_close(
        result.object[result.seen], region.truth[result.seen], rtol=0, atol=0.02
    )
    assert result.misfits < 1e-4


@pytest.mark.parametrize("gridsize", [1, 2])
@pytest.mark.parametrize("rows", [(0, 40), (80, 130)])
def test_a_tile_with_its_halo_equals_the_whole(gridsize, rows):
    region, net = scan(rows=28, columns=3, step=6.0), network(gridsize=gridsize)
    tile = Window(top=rows[0], left=0, bottom=min(rows[1], region.shape[0]), right=region.shape[1])
    whole_canvas = Canvas(x0=0, y0=0, height=region.shape[0], width=region.shape[1])
    piece, outer = part(region, tile.grown(net.reach(1, 32), whole_canvas))
    inside = tile.relative_to(outer).slices
    with torch.inference_mode():
        whole, tiled = net(region, steps=1), net(piece, steps=1)
    assert len(piece) < len(region)
    torch.testing.assert_close(
        tiled.object[inside], whole.object[tile.slices], rtol=1e-5, atol=1e-5
    )
    assert torch.equal(tiled.seen[inside], whole.seen[tile.slices])


def test_the_order_of_frames_does_not_matter():
    region, net = scan(), network(gridsize=2)
    shuffled = region.subset(torch.randperm(len(region)))
    torch.testing.assert_close(net(shuffled, steps=1).object, net(region, steps=1).object)


def seen(region: Region, **settings) -> torch.Tensor:
    """What the autoencoder is given, frame by frame."""
    given = []
    net = network(**settings)
    net.autoencoder.register_forward_pre_hook(lambda _, args: given.append(args[0]))
    net(region, steps=1)
    return torch.cat(given)


def test_of_an_empty_sample_it_sees_nothing():
    region = scan()
    empty = torch.ones_like(region.truth)
    waves = physics.exit_to_detector(empty, region.corners, region.probes)
    empty_scan = replace(region, amplitudes=physics.intensity(waves).sqrt())
    assert seen(empty_scan).abs().max() < 1e-3
    assert seen(region).abs().max() > 0.1


def test_it_sees_amplitudes_as_they_are_if_asked():
    region = scan()
    frames = seen(region, input="amplitude")
    shifted = torch.fft.fftshift(region.amplitudes, dim=(-2, -1))
    torch.testing.assert_close(frames[:, 0] / shifted, torch.full_like(shifted, 16 / PHOTONS**0.5))
    difference = (seen(region) - frames).flatten(1)
    torch.testing.assert_close(difference, difference[:1].expand_as(difference))


@pytest.mark.parametrize("gridsize", [1, 2])
def test_compared_group_by_group_every_patch_is_of_its_own_group(gridsize):
    region = scan()
    net = network(gridsize=gridsize, merge="group")
    apart = net.compared(region)
    result = net(apart, steps=1)
    assert len(apart) == len(region) * gridsize**2
    assert result.object.shape == apart.shape
    torch.testing.assert_close(
        result.misfits, data_misfit(result.object, apart, MISFITS["amplitude"])[None]
    )
    assert network(gridsize=gridsize).compared(region) is region


def test_true_patches_of_groups_explain_their_frames():
    region = whole_pixels(scan())
    net = network(gridsize=2, merge="group", input="amplitude")
    net.autoencoder = TruePatches(region)
    assert net(net.compared(region), steps=1).misfits < 1e-3


def test_the_dose_does_not_matter():
    region, net = scan(), network()
    brighter = replace(
        region,
        probe=region.probe * 10,
        amplitudes=region.amplitudes * 10,
        scale=Scale(region.scale.illumination * 100, region.scale.amplitude * 10),
    )
    first, second = net(region, steps=1), net(brighter, steps=1)
    torch.testing.assert_close(second.object, first.object, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(second.misfits, first.misfits, rtol=1e-4, atol=1e-5)


def test_bad_pixels_do_not_matter():
    good = torch.ones(32, 32, dtype=torch.bool)
    good[3, 4] = False
    region, net = replace(scan(), good=good), network()
    hot = region.amplitudes.clone()
    hot[:, 3, 4] = 1e6
    assert torch.equal(
        net(replace(region, amplitudes=hot), steps=1).object, net(region, steps=1).object
    )


def test_misfits_are_those_of_the_object():
    region, net = scan(), network()
    result = net(region, steps=7, misfit=MISFITS["poisson"])
    assert len(result.objects) == 1
    torch.testing.assert_close(
        result.misfits, data_misfit(result.object, region, MISFITS["poisson"])[None]
    )


def test_making_activations_again_gives_the_same_gradient(monkeypatch):
    region, gradients = scan(), []
    for pixels in (2**18, 2 * 32 * 32):
        monkeypatch.setattr(physics, "CHUNK_PIXELS", pixels)
        net = network()
        net(region, steps=1).misfits.sum().backward()
        gradients.append([p.grad for p in net.parameters()])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("settings", [{"gridsize": 1}, {"gridsize": 2}])
def test_it_learns_from_frames_alone(settings):
    region = scan(n=64, rows=2, columns=2, step=7.0)
    net = network(n=64, **settings)
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    misfits = []
    for _ in range(30):
        misfit = net(region, steps=1).misfits.mean()
        optimiser.zero_grad()
        misfit.log().backward()
        optimiser.step()
        misfits.append(misfit.detach())
    assert torch.stack(misfits).isfinite().all()
    assert sum(misfits[-5:]) < 0.5 * sum(misfits[:5])


def test_half_precision_gives_nearly_the_same_object():
    region, net = scan(), network()
    with torch.inference_mode():
        exact = net(region, steps=1).object
        with torch.autocast("cpu", torch.bfloat16):
            rough = net(region, steps=1).object
    assert rough.dtype == torch.complex64
    assert 0 < (rough - exact).abs().max() < 0.1


def test_frames_of_another_size_are_refused(refusal_of):
    assert refusal_of(network(n=64), scan(n=32), steps=1) == (
        "frames of 32 pixels, but the network is for 64",
        "model.cnn.n",
        "Train a network with n: 32",
    )


def test_the_registry_builds_it():
    assert isinstance(build_network("cnn", CnnSettings(n=32, filters_scale=1)), Cnn)
