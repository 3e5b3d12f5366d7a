"""A region: a window of the canvas with the frames whose centres lie in it.

Regions are what networks work on, in training (small ones, cut by area) and in inference (a tile
with its halo) alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ptychopinn_batch import physics

KEPT_BYTES = 2**30  # of shifted probes that a region keeps


@dataclass(frozen=True)
class Scale:
    """Constants of the whole scan that networks normalise by: equal for every region of it."""

    illumination: float  # brightest canvas pixel: largest sum of |P|^2 over frames and modes
    amplitude: float  # largest measured amplitude, sqrt(counts)


@dataclass(frozen=True)
class Region:
    """Frames of a window.

    corners: (K, 2) int64, top-left pixel (x, y) of each patch in this window; fractions: (K, 2)
    float32 in [0, 1); probe: (M, N, N) complex64 with sum |P|^2 = mean counts per frame;
    amplitudes: (K, N, N) float32, sqrt(counts), DC at [0, 0]; good: (N, N) bool or None, pixels to
    trust; truth: (H, W) complex64 where known, NaN in pixels where it is not.
    """

    corners: Tensor
    fractions: Tensor
    probe: Tensor
    amplitudes: Tensor
    shape: tuple[int, int]
    scale: Scale
    good: Tensor | None = None
    truth: Tensor | None = None

    @property
    def n(self) -> int:
        return int(self.probe.shape[-1])

    @property
    def modes(self) -> int:
        return int(self.probe.shape[0])

    def __len__(self) -> int:
        return int(self.corners.shape[0])

    @cached_property
    def probes(self) -> Tensor:
        """Modes moved to each frame's fraction of a pixel: (K, M, N, N)."""
        if self.probe.requires_grad:
            return physics.shifted(self.probe, self.fractions)
        moved = self.probe.new_empty(len(self), *self.probe.shape)
        for chunk in self.chunks():  # all at once would take three times the memory on the way
            moved[chunk] = physics.shifted(self.probe, self.fractions[chunk])
        return moved

    def probes_of(self, frames: slice | Tensor) -> Tensor:
        """Some of `probes`: kept from the first call on, or made each time if that takes too much.

        Made each time they cost one more transform per mode and frame.
        """
        if self.keep_probes():
            return self.probes[frames]
        return physics.shifted(self.probe, self.fractions[frames])

    def keep_probes(self) -> bool:
        """Whether the shifted probes of all frames are kept, which they are from now on."""
        kept = 8 * len(self) * self.modes * self.n**2 <= KEPT_BYTES
        return kept and self.probes is not None

    @cached_property
    def illumination(self) -> Tensor:
        """Sum of |P|^2 over frames and modes: (H, W)."""
        light = self.amplitudes.new_zeros(self.shape)
        for chunk in self.chunks():
            physics.add_illumination(light, self.corners[chunk], self.probes_of(chunk))
        return light

    @cached_property
    def energy(self) -> Tensor:
        """Sum of all trusted counts: what residuals are relative to."""
        parts = [self.trusted(self.amplitudes[chunk]).square().sum() for chunk in self.chunks()]
        return torch.stack(parts).sum() if parts else self.amplitudes.new_zeros(())

    def trusted(self, values: Tensor) -> Tensor:
        """Detector values (K, N, N) with bad pixels set to zero."""
        return values if self.good is None else values * self.good

    def chunks(self) -> Iterator[slice]:
        """Runs of frames small enough to be worked on in cache, or large enough for a GPU."""
        count = physics.chunk_of(self.n, self.modes, self.corners.device)
        return (slice(k, k + count) for k in range(0, len(self), count))

    def subset(self, rows: Tensor) -> Region:
        """The same window with only some of its frames, by index or mask."""
        return replace(
            self,
            corners=self.corners[rows],
            fractions=self.fractions[rows],
            amplitudes=self.amplitudes[rows],
        )

    def to(self, device: torch.device | str) -> Region:
        """This region on a device; itself where it is there already."""
        if self.corners.device == torch.device(device):
            return self
        moved = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor) and name in self.__dataclass_fields__
        }
        return replace(self, **moved)  # type: ignore[arg-type]
