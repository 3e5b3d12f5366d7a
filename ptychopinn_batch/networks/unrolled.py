"""The unrolled network: a learned optimiser on the canvas, the same weights in every step.

One step makes the classical simultaneous update of the object from all frames (Maiden and
Rodenburg's PIE update averaged over frames), then a small U-Net sees the object, the update
divided by its own local size, the previous update, the illumination and the expected noise. It
returns a step size per pixel and a correction in units of that local size: corrections fade out
as the data are explained, so the number of steps is free. The head of the U-Net starts at zero:
untrained, this *is* the classical method.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.jobspec import UnrolledSettings
from ptychopinn_batch.misfit import Misfit, amplitude
from ptychopinn_batch.networks.base import Network, Reconstruction
from ptychopinn_batch.networks.unet import UNet
from ptychopinn_batch.region import Region

LEAST_LIGHT = 1e-4  # of the brightest pixel: darker ones are not seen
DAMPING = 0.02  # of the brightest pixel, added to the light that the update is divided by
FLOOR = 1e-3  # of the largest amplitude: smallest modelled amplitude, keeps the root's slope finite


class Fixed(NamedTuple):
    """What stays the same over the steps; images are (1, 1, H, W)."""

    divisor: Tensor  # (H, W)
    light: Tensor
    mean_light: Tensor
    noise: Tensor
    seen: Tensor  # (H, W)
    floor: float


class State(NamedTuple):
    """What a step changes: object and last update (H, W) complex, hidden (1, hidden, H, W)."""

    object: Tensor
    update: Tensor
    hidden: Tensor


def _local_mean(image: Tensor) -> Tensor:
    """Mean over a soft 17-pixel window."""
    for _ in range(2):
        image = F.avg_pool2d(image, 9, 1, 4, count_include_pad=False)
    return image


def _channels(z: Tensor) -> Tensor:
    """Complex (H, W) -> real and imaginary part (1, 2, H, W)."""
    return torch.view_as_real(z).permute(2, 0, 1)[None]


def _complex(channels: Tensor) -> Tensor:
    """Inverse of `_channels`."""
    return torch.view_as_complex(channels[0].permute(1, 2, 0).float().contiguous())


def back_projection(
    obj: Tensor, region: Region, floor: float, misfit: Misfit
) -> tuple[Tensor, ...]:
    """What the frames ask of the object: sum of conj(P) * (corrected - modelled exit wave).

    Returns it as (H, W) complex64, and the misfit of the object relative to the frames' energy.
    """
    flat, width, n = obj.flatten(), region.shape[1], region.n
    total = torch.zeros_like(flat)
    error = torch.zeros((), device=flat.device)
    for chunk in region.chunks():
        index = physics.patch_index(region.corners[chunk], n, width)
        probes, measured = region.probes[chunk], region.trusted(region.amplitudes[chunk])
        waves = physics.fft(probes * flat.index_select(0, index).view(-1, 1, n, n))
        model = (physics.intensity(waves) + floor**2).sqrt()
        error = error + misfit(region.trusted(model), measured)
        change = region.trusted(measured / model - 1)
        back = physics.ifft(physics.scaled(waves, change[:, None]))
        total.index_add_(0, index, (probes.conj() * back).sum(1).flatten())
    return total.view(region.shape), error / region.energy


class Unrolled(Network):
    """See the module. Trained on simulated scans, it reconstructs scans it never saw."""

    architecture: ClassVar[str] = "unrolled"
    settings: UnrolledSettings

    def __init__(self, settings: UnrolledSettings) -> None:
        super().__init__(settings)
        hidden = settings.hidden
        self.unet = UNet(9 + hidden, 3 + hidden, width=settings.width, depth=settings.depth)

    def reach(self, steps: int, n: int) -> int:
        """Measured, not derived: 64 px keep 16 steps within 1e-4 of the whole at N = 64."""
        return max(n, 4 * steps)

    def forward(
        self, region: Region, *, steps: int, warm: int = 0, misfit: Misfit = amplitude
    ) -> Reconstruction:
        fixed, state = self._start(region)
        with torch.no_grad():
            for _ in range(warm):
                state, _ = self._step(region, fixed, state, misfit)
        objects, misfits = [], []
        for _ in range(steps):
            state, before = self._step(region, fixed, state, misfit)
            objects.append(state.object)
            misfits.append(before)
        last = back_projection(state.object, region, fixed.floor, misfit)[1]
        return Reconstruction(tuple(objects), torch.stack([*misfits[1:], last]), fixed.seen)

    def _start(self, region: Region) -> tuple[Fixed, State]:
        top, light = region.scale.illumination, region.illumination
        relative = (light / top)[None, None]
        fixed = Fixed(
            divisor=light + DAMPING * top,
            light=relative,
            mean_light=_local_mean(relative) + 1e-6,
            noise=(0.5 / (light + 1e-3 * top).sqrt())[None, None],
            seen=light > LEAST_LIGHT * top,
            floor=FLOOR * region.scale.amplitude,
        )
        blank = torch.ones(region.shape, dtype=torch.complex64, device=light.device)
        hidden = light.new_zeros(1, self.settings.hidden, *region.shape)
        return fixed, State(blank, torch.zeros_like(blank), hidden)

    def _step(
        self, region: Region, fixed: Fixed, state: State, misfit: Misfit
    ) -> tuple[State, Tensor]:
        """The next state, and the misfit of the object before it."""
        total, error = back_projection(state.object, region, fixed.floor, misfit)
        update = physics.scaled(total, 1 / fixed.divisor)
        power = _local_mean(fixed.light * physics.abs2(update)) / fixed.mean_light
        size = (power + 1e-8).sqrt()
        y = self.unet(self._view(fixed, state, update, size)).float()
        gain = 2 * torch.sigmoid(y[0, 2])
        correction = _complex(0.5 * torch.tanh(2 * size * y[:, :2]))
        move = physics.scaled(physics.scaled(update, gain) + correction, fixed.seen.float())
        return State(state.object + move, update, torch.tanh(y[:, 3:])), error

    @staticmethod
    def _view(fixed: Fixed, state: State, update: Tensor, size: Tensor) -> Tensor:
        """What the U-Net sees: (1, 9 + hidden, H, W)."""
        return torch.cat(
            [
                _channels(state.object),
                _channels(update) / size,
                _channels(state.update) / size,
                state.hidden,
                fixed.light.sqrt(),
                (fixed.noise / size).clamp(max=4.0),
                size.log10(),
            ],
            1,
        )
