"""What is refined after which step of a network, and how far it may go."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from ptychopinn_batch.jobspec import Refine
from ptychopinn_batch.refinement.positions import (
    exact_corners,
    moved,
    placed,
    position_step,
    searched,
)
from ptychopinn_batch.refinement.probe import probe_step
from ptychopinn_batch.region import Region

FIRST = 3  # steps before anything is refined: the object is too raw for it
TRIES = 6  # random shifts of a frame after a step, while positions are searched for
SEARCHED = 0.7  # share of the steps over which the search closes in
NARROWEST = 0.5  # pixels, smallest radius of the search
LONGEST = 1.0  # pixels, longest step along the slopes, in x and y
RADIUS = 1.5  # times the expected error: where the search begins
SMALL = 4.0  # pixels; frames that are expected to be further off take longer steps along the slopes
MOST_RELAXED = 3.0  # times what the slopes ask for: 5 does worse


@dataclass(frozen=True)
class Adjuster:
    """Called after every step of a network; `start` is the region as it was recorded."""

    refine: Refine
    start: Region
    random: Generator

    @classmethod
    def of(cls, refine: Refine, start: Region, seed: int) -> Adjuster:
        """The same seed makes the same random shifts."""
        return cls(refine, start, torch.Generator().manual_seed(seed))

    def __call__(self, obj: Tensor, region: Region, step: int) -> Region:
        if step < FIRST:
            return region
        if self.refine.positions:
            region = self._moved(obj, region, step)
        if self.refine.probe:
            region = replace(region, probe=probe_step(obj, region))
        return region

    def _moved(self, obj: Tensor, region: Region, step: int) -> Region:
        """Every frame a little nearer to where it lies; all of them together stay in place."""
        radius = self._radius(step)
        if radius > NARROWEST:
            region = moved(region, searched(obj, region, radius, TRIES, self.random))
        shift = (self._relaxation * position_step(obj, region)).clamp(-LONGEST, LONGEST)
        recorded, furthest = exact_corners(self.start), self.refine.furthest
        off = exact_corners(region) + shift - recorded
        return placed(region, recorded + (off - off.mean(0)).clamp(-furthest, furthest))

    @property
    def _relaxation(self) -> float:
        """Slopes ask for a part of an error: where it is large, frames go all of it in one step.

        Where it is small they do not, for noise would move them as much further.
        """
        return min(MOST_RELAXED, max(1.0, self.refine.position_error / SMALL))

    def _radius(self, step: int) -> float:
        left = 1 - (step - FIRST) / (SEARCHED * self.refine.steps)
        return RADIUS * self.refine.position_error * left
