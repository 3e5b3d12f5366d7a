"""Lessons: what the trainer sees in one step, each determined by (seed, epoch, number) alone.

So any rank, worker process or resumed run that is asked for a lesson makes the same one, and no two
of a training have the same random numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.region import Region
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.measured import cut_region
from ptychopinn_batch.training.spread import Spread
from ptychopinn_batch.training.syllabus import (
    SIMULATED,
    TRAINING,
    Piece,
    Syllabus,
    TrainingScan,
)
from ptychopinn_batch.training.truth import known_object

LessonKey = tuple[int, int]  # epoch, number

WITHHELD = 0.15  # share of a measured region's frames that the network does not see in a lesson


@dataclass(frozen=True)
class Lesson:
    """A region and how to work on it; `withheld`: bool (K,), frames only the loss may see.

    `refined`: whether probe and positions change between the steps; `piece`: which frames the
    region is of, where it came without their amplitudes.
    """

    region: Region
    steps: int
    warm: int = 0
    withheld: Tensor | None = None
    refined: bool = False
    piece: Piece | None = None

    def to(self, device: torch.device | str) -> Lesson:
        withheld = None if self.withheld is None else self.withheld.to(device)
        return replace(self, region=self.region.to(device), withheld=withheld)


class Lessons(Dataset[Lesson]):
    """Simulated and measured regions, mixed as the spec says.

    Without amplitudes where they are `resident` on the device already.
    """

    def __init__(
        self,
        train: Train,
        scans: Sequence[TrainingScan],
        seed: int,
        syllabus: Syllabus,
        *,
        resident: bool = False,
    ) -> None:
        self.train, self.scans, self.seed, self.syllabus = train, scans, seed, syllabus
        self.resident = resident

    def __getitem__(self, key: LessonKey) -> Lesson:
        random = np.random.default_rng((self.seed, TRAINING, *key))
        steps, warm = self._unroll(random)
        piece = self.syllabus.piece(*key, random)
        if piece is None:
            region = simulated_region((self.seed, SIMULATED, *key))
            refined = bool(random.random() < self.train.refined)
            return Lesson(region, steps, warm, refined=refined)
        withheld = torch.from_numpy(_withheld(len(piece.rows), random))
        lacks = piece if self.resident else None
        return Lesson(self._region(piece), steps, warm, withheld, piece=lacks)

    def _unroll(self, random: Generator) -> tuple[int, int]:
        """Steps with gradient, and steps before them so that late steps are learned too."""
        fewest, most = self.train.unroll
        steps = int(random.integers(fewest, most + 1))
        late = random.random() < self.train.warm_share and self.train.warm > 0
        return steps, int(random.integers(1, self.train.warm + 1)) if late else 0

    def _region(self, piece: Piece) -> Region:
        store = self.scans[piece.scan].store
        canvas = Canvas.around(store.positions.numpy()[piece.rows], store.info.n)
        region = cut_region(store, piece.rows, canvas, with_amplitudes=not self.resident)
        truth = known_object(store, canvas) if self.train.needs_object else None
        return replace(region, truth=truth)


def _withheld(frames: int, random: Generator) -> NDArray[np.bool_]:
    """Which frames (frames,) of a lesson are withheld; never all of them."""
    withheld = random.random(frames) < WITHHELD
    withheld[random.integers(frames)] = False
    return withheld


class EpochSampler(Sampler[LessonKey]):
    """The lesson keys of this rank: over all ranks, each lesson of an epoch exactly once.

    It begins at `begin`, an epoch and how many of its keys are left out.
    """

    def __init__(self, spread: Spread, rank: int, begin: tuple[int, int] = (0, 0)) -> None:
        self.spread, self.rank = spread, rank
        self.begin, self.epoch = begin, begin[0]

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        """Those of a whole epoch, which Lightning counts on from `begin`."""
        return self.spread.lessons

    def __iter__(self) -> Iterator[LessonKey]:
        """The epoch is that of now: a loader asks for keys long before it needs them."""
        epoch, (first_epoch, left_out) = self.epoch, self.begin
        turns = range(left_out if epoch == first_epoch else 0, self.spread.lessons)
        return ((epoch, self.spread.number(self.rank, turn)) for turn in turns)
