"""The unrolled network: a learned optimiser on the canvas, the same weights in every step.

One step makes the classical simultaneous update of the object from all frames (Maiden and
Rodenburg's PIE update averaged over frames), then a small U-Net sees the object, the update
divided by its own local size, the previous update, the illumination and the expected noise, and
at every coarser scale the update relative to the object. It returns a step size per pixel, a
correction in units of the local size, and one per scale in units of the size there: corrections
fade out as the data are explained, so the number of steps is free. The heads of the U-Net start at
zero: untrained, this *is* the classical method.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.jobspec import UnrolledSettings
from ptychopinn_batch.misfit import Misfit, amplitude
from ptychopinn_batch.networks.backprojection import back_projection
from ptychopinn_batch.networks.base import Adjust, Network, Reconstruction, unchanged
from ptychopinn_batch.networks.scales import Band, bands, local_mean
from ptychopinn_batch.networks.unet import LONGEST, STEM, UNet
from ptychopinn_batch.region import Region
from ptychopinn_batch.tiling import reach

ASTRAY = 1.1  # times the smallest misfit: an object that explains the frames so badly is given up
SETTLED = 1.02  # times the smallest misfit: the last object is no worse, or the best one is taken
VIEW = 9  # channels of `_view`
LEAST_POWER = 0.05  # added to |object|^2 where the update is taken relative to it


class Fixed(NamedTuple):
    """What stays the same over the steps; images are (1, 1, H', W'), padded for the U-Net."""

    divisor: Tensor  # (H, W)
    light: Tensor
    mean_light: Tensor
    noise: Tensor
    seen: Tensor  # (H, W)
    floor: float


class Best(NamedTuple):
    """The object (H, W) that explained the frames best, what they asked of it, its misfit."""

    object: Tensor
    asked: Tensor
    misfit: float
    region: Region


class State(NamedTuple):
    """What a step changes: object and last update (H, W) complex, hidden (1, hidden, h, w).

    region, fixed: the frames and what follows from them, which only `adjust` changes; trust: share
    of the learned step that is taken, the rest being the classical one; `best` is kept outside of
    training only.
    """

    region: Region
    fixed: Fixed
    object: Tensor
    update: Tensor
    hidden: Tensor
    trust: float = 1.0
    best: Best | None = None


def _channels(z: Tensor) -> Tensor:
    """Complex (H, W) -> real and imaginary part (1, 2, H, W)."""
    return torch.view_as_real(z).permute(2, 0, 1)[None]


def _complex(channels: Tensor) -> Tensor:
    """Inverse of `_channels`."""
    return torch.view_as_complex(channels[0].permute(1, 2, 0).contiguous())


class Unrolled(Network):
    """See the module. Trained on simulated scans, it reconstructs scans it never saw."""

    architecture: ClassVar[str] = "unrolled"
    iterates: ClassVar[bool] = True
    settings: UnrolledSettings

    def __init__(self, settings: UnrolledSettings) -> None:
        super().__init__(settings)
        self.unet = UNet(VIEW, settings.hidden, 3, width=settings.width, depth=settings.depth)

    def reach(self, steps: int, n: int) -> int:
        return reach(steps, n)

    def forward(
        self,
        region: Region,
        *,
        steps: int,
        warm: int = 0,
        misfit: Misfit = amplitude,
        adjust: Adjust = unchanged,
    ) -> Reconstruction:
        state = self._start(region)
        with torch.no_grad():
            for step in range(warm):
                state, _ = self._step(state, misfit)
                state = self._adjusted(state, adjust, step)
        objects: list[Tensor] = []
        misfits: list[Tensor] = []
        for step in range(warm, warm + steps):
            if objects:
                state = self._adjusted(state, adjust, step - 1)
            state, before = self._step(state, misfit)
            objects.append(state.object)
            misfits.append(before)
        return self._ended(state, objects, misfits, misfit)

    @staticmethod
    def _ended(
        state: State, objects: list[Tensor], misfits: list[Tensor], misfit: Misfit
    ) -> Reconstruction:
        """The result, after a look at where the last step has led."""
        region, best = state.region, state.best
        last = back_projection(state.object, region, state.fixed.floor, misfit)[1]
        if best is not None and not last < SETTLED * best.misfit:
            objects[-1], region = best.object, best.region
            last = torch.full_like(last, best.misfit)
        misfits = [*misfits[1:], last]
        return Reconstruction(tuple(objects), torch.stack(misfits), state.fixed.seen, region)

    def _start(self, region: Region) -> State:
        fixed = self._fixed(region)
        blank = torch.ones(region.shape, dtype=torch.complex64, device=region.corners.device)
        height, width = fixed.light.shape[-2:]
        hidden = fixed.light.new_zeros(1, self.settings.hidden, height // STEM, width // STEM)
        return State(region, fixed, blank, torch.zeros_like(blank), hidden)

    def _fixed(self, region: Region) -> Fixed:
        top, light = region.scale.illumination, region.illumination
        relative = self._padded((light / top)[None, None])
        return Fixed(
            divisor=light + physics.DAMPING * top,
            light=relative,
            mean_light=local_mean(relative) + 1e-6,
            noise=self._padded((0.5 / (light + 1e-3 * top).sqrt())[None, None]),
            seen=light > physics.LEAST_LIGHT * top,
            floor=physics.FLOOR * region.scale.amplitude,
        )

    def _adjusted(self, state: State, adjust: Adjust, step: int) -> State:
        """The state with what `adjust` makes of probe and positions after this step."""
        region = adjust(state.object.detach(), state.region, step)
        if region is state.region:
            return state
        return state._replace(region=region, fixed=self._fixed(region))

    def _padded(self, image: Tensor) -> Tensor:
        """An image (..., H, W) with zeros below and on the right, as the U-Net wants it."""
        height, width = image.shape[-2:]
        return F.pad(image, (0, -width % self.unet.stride, 0, -height % self.unet.stride))

    def _step(self, state: State, misfit: Misfit) -> tuple[State, Tensor]:
        """The next state, and the misfit of the object before it."""
        total, error = back_projection(state.object, state.region, state.fixed.floor, misfit)
        if not self.training:
            state, total = self._guarded(state, total, float(error))
        fixed = state.fixed
        update = physics.scaled(total, 1 / fixed.divisor)
        power = self._padded(physics.abs2(update)[None, None])
        size = (local_mean(fixed.light * power) / fixed.mean_light + 1e-8).sqrt()
        view, bands = self._view(fixed, state, update, size), self._bands(fixed, state, update)
        fine, coarse, hidden = self.unet(view, state.hidden, bands)
        move = self._move(state.object, update, size, fine, coarse)
        if state.trust < 1:
            move = state.trust * move + (1 - state.trust) * update
        changed = state.object + physics.scaled(move, fixed.seen.float())
        return state._replace(object=changed, update=update, hidden=torch.tanh(hidden)), error

    def _guarded(self, state: State, asked: Tensor, misfit: float) -> tuple[State, Tensor]:
        """Go back to the best object, with less trust, where the steps have led astray.

        A little worse is no mistake: what the network takes for noise it leaves unexplained.
        """
        best = state.best
        if best is None or misfit < best.misfit:
            better = Best(state.object, asked, misfit, state.region)
            return state._replace(best=better), asked
        if misfit < ASTRAY * best.misfit:
            return state, asked
        hidden, fixed = torch.zeros_like(state.hidden), self._fixed(best.region)
        again = State(best.region, fixed, best.object, state.update, hidden, state.trust / 2, best)
        return again, best.asked

    def _view(self, fixed: Fixed, state: State, update: Tensor, size: Tensor) -> Tensor:
        """What the U-Net sees at full resolution: (1, VIEW, H', W')."""
        return torch.cat(
            [
                self._padded(_channels(state.object)),
                self._padded(_channels(update)) / size,
                self._padded(_channels(state.update)) / size,
                fixed.light.sqrt(),
                (fixed.noise / size).clamp(max=4.0),
                size.log10(),
            ],
            1,
        )

    def _bands(self, fixed: Fixed, state: State, update: Tensor) -> list[Band]:
        """The update relative to the object, so that a slow change of phase is slow in it too."""
        power = physics.abs2(state.object) + LEAST_POWER
        relative = physics.scaled(update * state.object.conj(), 1 / power)
        count = self.settings.depth - 1
        return list(bands(self._padded(_channels(relative)), fixed.light, count))

    @staticmethod
    def _move(obj: Tensor, update: Tensor, size: Tensor, fine: Tensor, coarse: Tensor) -> Tensor:
        """How far the object moves (H, W): the gained update and both corrections."""
        inside = (..., slice(obj.shape[0]), slice(obj.shape[1]))
        gain = 2 * torch.sigmoid(fine[inside][0, 2])
        correction = LONGEST * torch.tanh(size * fine[:, :2] / LONGEST)
        own = physics.scaled(update, gain) + _complex(correction[inside])
        return own + obj * _complex(coarse[inside])
