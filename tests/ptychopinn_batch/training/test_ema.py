"""The average of the weights: quick at first, slow later, with the network's own buffers."""

import torch
from torch import nn

from ptychopinn_batch.training.ema import Average


def test_it_follows_at_once_and_ever_more_slowly():
    network = nn.Linear(1, 1, bias=False)
    average, seen = Average(network, 0.5), []
    for value in (1.0, 2.0, 3.0, *[4.0] * 12):
        nn.init.constant_(network.weight, value)
        average.update_parameters(network)
        seen.append(average.network.weight.item())
    assert seen[0] == 1.0
    kept = 1 / 11
    assert abs(seen[1] - (kept * 1.0 + (1 - kept) * 2.0)) < 1e-6
    late, before = seen[-1], seen[-2]
    assert abs((4 - late) / (4 - before) - 0.5) < 0.01  # by now as slow as it gets


def test_it_takes_no_part_in_the_training():
    average = Average(nn.BatchNorm1d(2), 0.9)
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_buffers_are_those_of_the_network():
    network = nn.BatchNorm1d(2)
    average = Average(network, 0.9)
    for _ in range(2):
        network(torch.randn(5, 2))
        average.update_parameters(network)
    assert torch.equal(average.network.running_mean, network.running_mean)
