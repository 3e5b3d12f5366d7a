"""The running average of a network's weights, which is validated and kept where a spec asks for it.

It stands in the training's module, and so in its checkpoints.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ptychopinn_batch.networks.base import Network


class Average(AveragedModel):
    """Exponential moving average of weights, over all of them while they are few.

    After t steps w += (1 - min(decay, t / (t + 10))) * (weights - w): with `decay` alone, a short
    training would hardly leave where it began. Buffers are those of the network.
    """

    def __init__(self, network: Network, decay: float) -> None:
        def moved(average: Tensor, weights: Tensor, count: Tensor | int) -> Tensor:
            kept = min(decay, int(count) / (int(count) + 10))
            return torch.lerp(weights, average, kept)

        super().__init__(network, avg_fn=moved)
        self.requires_grad_(False)

    @property
    def network(self) -> Network:
        """The network with the averaged weights."""
        return cast(Network, self.module)
