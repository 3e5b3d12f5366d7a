"""Lanes: at first no frame of a group disturbs another; nothing that could be learned is lost."""

import pytest
import torch

from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.networks.autoencoder import Autoencoder
from ptychopinn_batch.networks.lanes import ALL, lanes, separate, start


@pytest.mark.parametrize(
    ("channels", "frames", "expected"),
    [(4, 4, [0, 1, 2, 3]), (6, 4, [0, 0, 1, 2, 2, 3]), (3, 1, [0, 0, 0]), (2, 4, [ALL, ALL])],
)
def test_channels_are_divided_among_frames(channels, frames, expected):
    assert lanes(channels, frames).tolist() == expected


def test_a_layer_begins_without_weights_between_lanes_and_with_signals_of_the_same_size():
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(64, 64, 3, padding=1)
    start(layer)
    images = torch.randn(4, 64, 16, 16)
    before = layer(images).detach().std()
    separate(layer, lanes(64, 4), lanes(64, 4))
    assert torch.count_nonzero(layer.weight) == layer.weight.numel() // 4
    assert float(layer(images).detach().std()) == pytest.approx(float(before), rel=0.05)


def influence(gridsize: int, **settings) -> torch.Tensor:
    """How much each frame (row) of a group acts on each of its patches (column) at first."""
    torch.manual_seed(0)
    network = Autoencoder(CnnSettings(n=32, filters_scale=1, gridsize=gridsize, **settings))
    frames = torch.rand(1, gridsize**2, 32, 32, requires_grad=True)
    patches = network(frames)[0]
    rows = [torch.autograd.grad(p.abs().sum(), frames, retain_graph=True)[0] for p in patches]
    return torch.stack([row[0].abs().sum((1, 2)) for row in rows], 1)


@pytest.mark.parametrize("settings", [{}, {"lineage": "torch"}, {"output": "real_imag"}], ids=str)
def test_a_patch_begins_as_that_of_its_own_frame(settings):
    acts = influence(2, **settings) > 0
    assert torch.equal(acts, torch.eye(4, dtype=torch.bool))


def test_a_shared_amplitude_is_made_of_all_frames():
    acts = influence(2, shared_amplitude=True) > 0
    assert acts.all()


def test_where_there_are_fewer_channels_than_frames_they_belong_to_all():
    assert (influence(3).diagonal() > 0).all()  # the border has 4 channels for 9 frames


def test_weights_between_lanes_are_learned():
    torch.manual_seed(0)
    network = Autoencoder(CnnSettings(n=32, filters_scale=1, gridsize=2))
    network(torch.rand(2, 4, 32, 32)).real.square().sum().backward()
    for layer in network.encoder:
        if isinstance(layer, torch.nn.Conv2d):
            between = layer.weight.detach() == 0
            assert (layer.weight.grad[between] != 0).float().mean() > 0.3
