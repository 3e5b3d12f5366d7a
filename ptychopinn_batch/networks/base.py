"""What a network is: frames of a region in, an object on the region's canvas out.

Trainer, tiled inference and packager know nothing else of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from pydantic import BaseModel
from torch import Tensor, nn

from ptychopinn_batch.misfit import Misfit, amplitude
from ptychopinn_batch.region import Region

Adjust = Callable[[Tensor, Region, int], Region]
"""What probe and positions are after a step: from the object, the region, the step's number."""


def unchanged(obj: Tensor, region: Region, step: int) -> Region:
    """Probe and positions are right as they are."""
    del obj, step
    return region


class Reconstruction(NamedTuple):
    """What a network made of a region.

    objects: (H, W) complex64 after each step that was asked for, the last one is the result;
    misfits: (len(objects),) the data term of each, relative to the energy of the frames;
    seen: (H, W) bool, pixels with enough light to be trusted; region: the frames with the probe and
    the positions that the last object goes with.
    """

    objects: tuple[Tensor, ...]
    misfits: Tensor
    seen: Tensor
    region: Region

    @property
    def object(self) -> Tensor:
        return self.objects[-1]


class Network(nn.Module, ABC):
    """A network by name and settings; its state dict holds everything else."""

    architecture: ClassVar[str]
    iterates: ClassVar[bool]  # whether `steps` means anything to it

    def __init__(self, settings: BaseModel) -> None:
        super().__init__()
        self.settings = settings

    @abstractmethod
    def forward(
        self,
        region: Region,
        *,
        steps: int,
        warm: int = 0,
        misfit: Misfit = amplitude,
        adjust: Adjust = unchanged,
    ) -> Reconstruction:
        """Reconstruct a region; the first `warm` steps run without gradient and are not kept.

        `adjust` is asked after every step but the last. Networks that do not iterate ignore it, and
        `steps` and `warm`.
        """

    def solve(self, region: Region, *, steps: int, adjust: Adjust = unchanged) -> Reconstruction:
        """Reconstruct a region, keeping the last object only: no number of steps takes more."""
        found: Reconstruction = self(region, steps=1, warm=steps - 1, adjust=adjust)
        return found

    @abstractmethod
    def reach(self, steps: int, n: int) -> int:
        """How far, in canvas pixels, a frame's centre influences the result: the halo of a tile."""
