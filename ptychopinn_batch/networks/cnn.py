"""The patchwise network: PtychoPINN's autoencoder on each frame, its patches merged on the canvas.

The autoencoder sees a frame, or a group of neighbouring ones, less what an empty sample would give;
of probe and positions it knows nothing else. Patches are merged with the light that fell on them as
weight. Everything it normalises by belongs to the scan, so that tiles give what the whole gives.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from hpc.errors import UserError
from ptychopinn_batch import physics
from ptychopinn_batch.groups import neighbour_groups
from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.misfit import Misfit, amplitude, data_misfit
from ptychopinn_batch.networks import merge
from ptychopinn_batch.networks.autoencoder import Autoencoder
from ptychopinn_batch.networks.base import Adjust, Network, Reconstruction, unchanged
from ptychopinn_batch.networks.islands import Islands, islands
from ptychopinn_batch.region import Region


def input_gain(region: Region) -> float:
    """Factor on amplitudes that gives every scan the same mean power, (N/2)^2 in a frame.

    That is the power of an object of 1 over the central half of a patch (Hoidn et al. 2023). The
    probe's power is the scan's mean dose, so this is one number for all regions of a scan.
    """
    photons = float(physics.abs2(region.probe).sum())
    return region.n / 2 / math.sqrt(photons)


def empty_frame(region: Region) -> Tensor:
    """Amplitudes (N, N) of an empty sample, wherever the probe is: DC at [0, 0]."""
    return physics.intensity(physics.fft(region.probe)[None])[0].sqrt()


class Cnn(Network):
    """See the module. It learns one kind of scan: its own frame size, probe and step."""

    architecture: ClassVar[str] = "cnn"
    iterates: ClassVar[bool] = False
    settings: CnnSettings

    def __init__(self, settings: CnnSettings) -> None:
        super().__init__(settings)
        self.autoencoder = Autoencoder(settings)
        # Without a border, only the central half of a patch says anything.
        self.margin = 0 if settings.probe_big else settings.n // 4

    def compared(self, region: Region) -> Region:
        """The region as a training compares it with its frames: as it is, or in islands."""
        return region if self.settings.merge == "canvas" else islands(region, self._groups(region))

    def reach(self, steps: int, n: int) -> int:
        """Half a patch; with groups also their neighbours, assumed nearer than half a patch."""
        return n // 2 + 1 + (n if self.settings.group > 1 else 0)

    def forward(
        self,
        region: Region,
        *,
        steps: int,
        warm: int = 0,
        misfit: Misfit = amplitude,
        adjust: Adjust = unchanged,
    ) -> Reconstruction:
        self._check(region)
        total, groups = merge.Sum(region.shape, region.corners.device), self._groups(region)
        for members in filter(len, (groups[chunk] for chunk in region.chunks())):
            # Activations of all frames would take gigabytes: they are made again going backward.
            again = torch.is_grad_enabled() and len(members) < len(groups)
            shares = self._shares_again(region, members) if again else self._shares(region, members)
            total.add(shares, region.corners[members.flatten()] + self.margin)
        least = physics.LEAST_LIGHT * region.scale.illumination
        obj, weight = total.mean(least)
        return Reconstruction(
            (obj,), data_misfit(obj, region, misfit)[None], weight > least, region
        )

    def _check(self, region: Region) -> None:
        if region.n != self.settings.n:
            raise UserError(
                f"frames of {region.n} pixels, but the network is for {self.settings.n}",
                where="model.cnn.n",
                mend=f"Train a network with n: {region.n}",
            )

    def _groups(self, region: Region) -> Tensor:
        if isinstance(region, Islands):
            return region.groups
        corners, fractions = region.corners.cpu().numpy(), region.fractions.cpu().numpy()
        groups = neighbour_groups(corners, fractions, self.settings.group)
        return torch.tensor(groups, device=region.corners.device)

    def _shares_again(self, region: Region, members: Tensor) -> Tensor:
        shares: Tensor = checkpoint(
            self._shares, region, members, use_reentrant=False, preserve_rng_state=False
        )
        return shares

    def _shares(self, region: Region, members: Tensor) -> Tensor:
        """What the groups (k, C) add to the canvas, patch by patch: (k * C, h - 1, h - 1, 3)."""
        rows = members.flatten()
        frames = self._view(region, rows).view(*members.shape, region.n, region.n)
        inner = slice(self.margin, region.n - self.margin)
        patches = self.autoencoder(frames).flatten(0, 1)[:, inner, inner]
        light = physics.abs2(region.probes_of(rows)).sum(1)[:, inner, inner]
        return merge.shares(patches, light, region.fractions[rows])

    def _view(self, region: Region, rows: Tensor) -> Tensor:
        """What the autoencoder sees of these frames: (k, N, N), DC in the middle."""
        frames = region.trusted(region.amplitudes[rows])
        if self.settings.input == "contrast":
            frames = frames - region.trusted(empty_frame(region))
        return torch.fft.fftshift(frames, dim=(-2, -1)) * input_gain(region)
