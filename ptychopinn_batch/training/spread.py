"""How a training is spread over ranks: pure arithmetic that every rank does alike.

Without torch or lightning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self


class Place(NamedTuple):
    """How far a training is: whole epochs, validation included, and lessons of the next one.

    Lessons are those of all ranks together, so that a place holds for any number of them.
    """

    epoch: int = 0
    lessons: int = 0


class Seat(NamedTuple):
    """Where a lesson stands: in which step of the optimiser, and as which of its `width` lessons.

    All lessons of rank r of R have their number / width from r / R up to (r + 1) / R.
    """

    step: int
    number: int
    width: int


@dataclass(frozen=True)
class Spread:
    """What falls to each of `world` ranks, the same to all: a rank with less would be waited for.

    lessons: of a rank in an epoch; accumulate: of those, how many in one step of the optimiser.
    """

    world: int
    lessons: int
    accumulate: int

    @classmethod
    def of(cls, regions: int, accumulate: int, world: int) -> Self:
        """So many regions in an epoch, a few more where `world` does not divide their number.

        Steps are made of the same lessons whatever `world` is, where it divides `accumulate` too.
        """
        return cls(world, -(-regions // world), max(1, accumulate // world))

    @property
    def total(self) -> int:
        """Lessons of all ranks in an epoch."""
        return self.lessons * self.world

    @property
    def steps(self) -> int:
        """Steps of the optimiser in an epoch."""
        return -(-self.lessons // self.accumulate)

    def ends_step(self, lesson: int) -> bool:
        """Whether the optimiser steps after this lesson of a rank, counted from 0."""
        return (lesson + 1) % self.accumulate == 0 or lesson + 1 == self.lessons

    def number(self, rank: int, turn: int) -> int:
        """Which lesson of the epoch is the one that a rank does in its turn, counted from 0.

        Those of a step follow one another, and within it those of a rank do.
        """
        step, own = divmod(turn, self.accumulate)
        return step * self.world * self.accumulate + rank * self._each(step) + own

    def seat(self, number: int) -> Seat:
        """Where the lesson of this number stands."""
        step, place = divmod(number, self.world * self.accumulate)
        return Seat(step, place, self.world * self._each(step))

    def _each(self, step: int) -> int:
        """Lessons of a rank in a step; the last one of an epoch may have fewer."""
        return min(self.accumulate, self.lessons - step * self.accumulate)

    def place(self, epoch: int, lessons: int) -> Place:
        """Where a training is when every rank is through with `lessons` of an epoch."""
        return Place(epoch, lessons * self.world)

    def lessons_done(self, place: Place) -> int:
        """How many lessons each rank is through with there, down to the last whole step.

        All that were done, unless as many ranks did them as there are now.
        """
        done = place.lessons // self.world
        return self.lessons if done >= self.lessons else done - done % self.accumulate
