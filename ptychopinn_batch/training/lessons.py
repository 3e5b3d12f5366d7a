"""Lessons: what the trainer sees in one step, each determined by (seed, epoch, number) alone.

So any rank, worker process or resumed run that is asked for a lesson makes the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.region import Region
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.measured import held_out, random_region

LessonKey = tuple[int, int]  # epoch, number

WITHHELD = 0.15  # share of a measured region's frames that the network does not see in a lesson
TRAINING, VALIDATION = 0, 1  # streams of seeds


@dataclass(frozen=True)
class Lesson:
    """A region and how to work on it; `withheld`: bool (K,), frames only the loss may see."""

    region: Region
    steps: int
    warm: int = 0
    withheld: Tensor | None = None

    def to(self, device: torch.device | str) -> Lesson:
        withheld = None if self.withheld is None else self.withheld.to(device)
        return replace(self, region=self.region.to(device), withheld=withheld)


class Lessons(Dataset[Lesson]):
    """Simulated and measured regions, mixed as the spec says."""

    def __init__(self, train: Train, stores: Sequence[ScanStore], seed: int) -> None:
        self.train, self.stores, self.seed = train, stores, seed
        frames = np.array([store.info.frames for store in stores], dtype=np.float64)
        self._shares = frames / frames.sum()
        self._usable = [
            torch.nonzero(~held_out(store.info.frames, train.validation)).flatten().numpy()
            for store in stores
        ]

    def __getitem__(self, key: LessonKey) -> Lesson:
        random = np.random.default_rng((self.seed, TRAINING, *key))
        steps, warm = self._unroll(random)
        if random.random() < self.train.simulated:
            return Lesson(simulated_region((self.seed, TRAINING, *key)), steps, warm)
        region = self._measured(random)
        withheld = torch.from_numpy(random.random(len(region)) < WITHHELD)
        return Lesson(region, steps, warm, withheld)

    def _unroll(self, random: Generator) -> tuple[int, int]:
        """Steps with gradient, and steps before them so that late steps are learned too."""
        fewest, most = self.train.unroll
        steps = int(random.integers(fewest, most + 1))
        late = random.random() < self.train.warm_share and self.train.warm > 0
        return steps, int(random.integers(1, self.train.warm + 1)) if late else 0

    def _measured(self, random: Generator) -> Region:
        number = int(random.choice(len(self.stores), p=self._shares))
        store, usable = self.stores[number], self._usable[number]
        window, most = self.train.window, self.train.frames_per_region
        return random_region(store, usable, window, most, random)


class EpochSampler(Sampler[LessonKey]):
    """The lesson keys of this rank: over all ranks, each lesson of an epoch exactly once.

    Ranks have equally many: where their number does not divide `count`, the epoch has a few more.
    It begins at `begin`, an epoch and how many of its keys are left out.
    """

    def __init__(self, count: int, rank: int, world: int, begin: tuple[int, int] = (0, 0)) -> None:
        self.lessons, self.rank, self.world = -(-count // world), rank, world
        self.begin, self.epoch = begin, begin[0]

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        """Those of a whole epoch, which Lightning counts on from `begin`."""
        return self.lessons

    def __iter__(self) -> Iterator[LessonKey]:
        """The epoch is that of now: a loader asks for keys long before it needs them."""
        epoch, (first_epoch, left_out) = self.epoch, self.begin
        turns = range(left_out if epoch == first_epoch else 0, self.lessons)
        return ((epoch, turn * self.world + self.rank) for turn in turns)
