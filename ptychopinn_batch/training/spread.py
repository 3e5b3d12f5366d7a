"""How a training is spread over ranks: pure arithmetic that every rank does alike.

Without torch or lightning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from ptychopinn_batch.jobspec import Train


class Place(NamedTuple):
    """How far a training is: whole epochs, validation included, and lessons of the next one.

    Lessons are those of all ranks together, so that a place holds for any number of them.
    """

    epoch: int = 0
    lessons: int = 0


@dataclass(frozen=True)
class Spread:
    """What falls to each of `world` ranks, the same to all: a rank with less would be waited for.

    lessons: of a rank in an epoch; accumulate: of those, how many in one step of the optimiser.
    """

    world: int
    lessons: int
    accumulate: int

    @classmethod
    def of(cls, train: Train, world: int) -> Self:
        """Steps are made of the same lessons whatever `world` is, where it divides their number."""
        lessons = -(-train.regions_per_epoch // world)
        return cls(world, lessons, max(1, train.accumulate // world))

    @property
    def steps(self) -> int:
        """Steps of the optimiser in an epoch."""
        return -(-self.lessons // self.accumulate)

    def ends_step(self, lesson: int) -> bool:
        """Whether the optimiser steps after this lesson of a rank, counted from 0."""
        return (lesson + 1) % self.accumulate == 0 or lesson + 1 == self.lessons

    def place(self, epoch: int, lessons: int) -> Place:
        """Where a training is when every rank is through with `lessons` of an epoch."""
        return Place(epoch, lessons * self.world)

    def lessons_done(self, place: Place) -> int:
        """How many lessons each rank is through with there, down to the last whole step.

        All that were done, unless as many ranks did them as there are now.
        """
        done = place.lessons // self.world
        return self.lessons if done >= self.lessons else done - done % self.accumulate
