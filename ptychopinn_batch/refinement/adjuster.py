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
TRIES = 12  # random shifts of a frame after a step, while positions are searched for
SEARCHED = 0.6  # share of the steps over which the search closes in
NARROWEST = 0.5  # pixels, smallest radius of the search
LONGEST = 1.0  # pixels, longest step along the slopes, in x and y
FASTEST = 2.0  # pixels, greatest pace
RADIUS = 1.5  # times the expected error: where the search begins
NEAR = 3.0  # pixels, radius of the search from which on frames keep moving
KEPT = 0.85  # share of the pace that is kept: slopes alone ask for a third of an error or less


@dataclass
class Adjuster:
    """Called after every step of a network; `start` is the region as it was recorded.

    `pace`: how frames (K, 2) have been moving; with it errors that many frames share, which steps
    along slopes hardly change, are found in a fraction of the steps (Nesterov, 1983).
    """

    refine: Refine
    start: Region
    random: Generator
    pace: Tensor | float = 0.0

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
        shift = position_step(obj, region).clamp(-LONGEST, LONGEST)
        if radius < NEAR:
            shift = shift + self._kept(shift)
        recorded, furthest = exact_corners(self.start), self.refine.furthest
        off = exact_corners(region) + shift - recorded
        return placed(region, recorded + (off - off.mean(0)).clamp(-furthest, furthest))

    def _kept(self, shift: Tensor) -> Tensor:
        """What frames go on moving (K, 2), after a shift; those that it asks back stand still.

        Else noise would carry them away (adaptive restart: O'Donoghue and Candes, 2015).
        """
        onwards = (shift * self.pace).sum(1, keepdim=True) > 0
        self.pace = (KEPT * onwards * self.pace + shift).clamp(-FASTEST, FASTEST)
        return KEPT * self.pace

    def _radius(self, step: int) -> float:
        """Of the search: it closes in fast at first, as the nearest frames are found at once."""
        left = max(0.0, 1 - (step - FIRST) / (SEARCHED * self.refine.steps))
        return RADIUS * self.refine.position_error * left**2
