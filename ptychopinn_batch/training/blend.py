"""A network between where its training began and where that has led.

A network that is trained further gains what the new lessons teach and loses some of what it could
do before. Of weights in between it has the most of both (Wortsman et al., CVPR 2022, "Robust
fine-tuning of zero-shot models"). It stands in the training's module, and so in its checkpoints.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from ptychopinn_batch.networks.base import Network


class Blend(nn.Module):
    """Weights of which `start_share` are those of the beginning; buffers are those trained."""

    def __init__(self, network: Network, start_share: float) -> None:
        super().__init__()
        self.start, self.network = copy.deepcopy(network), copy.deepcopy(network)
        self.start_share = start_share
        self.requires_grad_(False)

    @torch.no_grad()
    def follow(self, trained: Network) -> None:
        """Blend the beginning with these weights."""
        self.network.load_state_dict(trained.state_dict())
        before = self.start.parameters()
        for weights, first in zip(self.network.parameters(), before, strict=True):
            weights.lerp_(first, self.start_share)
