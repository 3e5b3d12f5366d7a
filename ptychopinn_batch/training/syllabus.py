"""What an epoch is made of: which frames each of its lessons is about, or that it is simulated.

A lesson is known by its epoch and number, and is the same whatever rank or process does it. Every
rank has the same contiguous stretch of the order of all scans' frames all through a training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hpc.errors import UserError
from ptychopinn_batch.data.order import shards
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training import cover
from ptychopinn_batch.training.measured import around
from ptychopinn_batch.training.split import Rows, Split, split_frames
from ptychopinn_batch.training.spread import Spread

TRAINING, VALIDATION, SIMULATED, CUTS = 0, 1, 2, 3  # streams of seeds


@dataclass(frozen=True)
class TrainingScan:
    """A scan that takes part in a training, with its own probe and statistics."""

    store: ScanStore
    split: Split

    @classmethod
    def of(cls, store: ScanStore, train: Train) -> Self:
        """UserError where the scan is too small to be validated on as the spec asks."""
        where = f"{store.info.origin}, train.validation"
        positions = store.positions.numpy()
        return cls(store, split_frames(positions, store.info.n, train, where))

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """(T, 2) of the frames that are trained on, as (x, y)."""
        return np.asarray(self.store.positions.numpy()[self.split.training])


class Piece(NamedTuple):
    """The frames of a measured lesson: rows of a scan's store."""

    scan: int
    rows: Rows


class Syllabus(Protocol):
    """The lessons of all epochs."""

    @property
    def spread(self) -> Spread:
        """How many an epoch has, and whose they are."""

    def piece(self, epoch: int, number: int, random: Generator) -> Piece | None:
        """What a lesson is about; None if it is simulated. `random` is the lesson's own."""

    def frames_of(self, rank: int) -> list[Rows]:
        """Of every scan, the rows (ascending) that lessons of a rank may ask for."""


def syllabus_of(
    train: Train, scans: Sequence[TrainingScan], *, seed: int, world: int
) -> Windows | Cover:
    """The syllabus that a spec asks for, on so many ranks; UserError where there are too many."""
    if train.regions_per_epoch == "cover":
        return Cover.of(train, scans, seed=seed, world=world)
    spread = Spread.of(train.regions_per_epoch, train.accumulate, world)
    return Windows(spread, train, tuple(scans))


@dataclass(frozen=True)
class Windows:
    """A certain number of windows, in every epoch around other frames.

    The frames of all scans, one after the other in the order of their stores, are divided into as
    many stretches as a step of the optimiser has lessons: each is about a frame of its own stretch.
    """

    spread: Spread
    train: Train
    scans: tuple[TrainingScan, ...]

    def piece(self, epoch: int, number: int, random: Generator) -> Piece | None:
        if random.random() < self.train.simulated:
            return None
        seat = self.spread.seat(number)
        first, last = (k * self._total // seat.width for k in (seat.number, seat.number + 1))
        scan, row = self._place(int(random.integers(first, max(last, first + 1))))
        positions = self.scans[scan].positions
        near = around(positions, positions[row], self.train.window, self.train.frames_per_region)
        return Piece(scan, self.scans[scan].split.training[near])

    def frames_of(self, rank: int) -> list[Rows]:
        """Those of its stretch, and those in a window around one of them."""
        own = shards(self._total, self.spread.world)[rank]
        return [
            self._with_neighbours(scan, range(max(own.start - end, 0), own.stop - end))
            for scan, end in zip(self.scans, self._ends, strict=False)
        ]

    def _with_neighbours(self, scan: TrainingScan, own: range) -> Rows:
        centres = scan.positions[own.start : max(own.stop, 0)]
        if not len(centres):
            return scan.split.training[:0]
        reach = self.train.window / 2 * (1 + 1e-9)
        distance, _ = cKDTree(centres).query(scan.positions, p=np.inf, distance_upper_bound=reach)
        return scan.split.training[np.isfinite(distance)]

    def _place(self, number: int) -> tuple[int, int]:
        """A frame, counted over all scans, as a scan and which of its training frames."""
        scan = int(np.searchsorted(self._ends, number, side="right")) - 1
        return scan, number - int(self._ends[scan])

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Training frames before each scan, and of all of them."""
        return np.cumsum([0, *(len(scan.split.training) for scan in self.scans)])

    @property
    def _total(self) -> int:
        return int(self._ends[-1])


@dataclass(frozen=True)
class Cover:
    """Regions that hold every training frame exactly once, in every epoch cut anew.

    parts: equal shares of the regions, each a contiguous stretch of the order of all scans' frames
    that is cut by itself. There are as many as a step of the optimiser has lessons, so that steps
    are the same on any number of ranks that divides it; or one of each rank, where an epoch is
    less than a step. Simulated lessons come on top.
    """

    spread: Spread
    train: Train
    scans: tuple[TrainingScan, ...]
    parts: tuple[tuple[cover.Run, ...], ...]
    seed: int
    _cuts: dict[tuple[int, int], list[Piece]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, train: Train, scans: Sequence[TrainingScan], *, seed: int, world: int) -> Self:
        window, most = train.window, train.frames_per_region
        needed = [cover.regions_needed(scan.positions, window, most) for scan in scans]
        frames = [len(scan.split.training) for scan in scans]
        step = world * max(1, train.accumulate // world)
        parts = step if sum(needed) >= step else world
        if sum(frames) < parts * min(cover.LEAST_FRAMES, most // 2):
            raise _too_many(parts, sum(frames))
        regions = cover.rounded_up(needed, frames, parts)
        simulated = round(sum(regions) / parts * train.simulated / (1 - train.simulated))
        spread = Spread.of(sum(regions) + simulated * parts, train.accumulate, world)
        runs = tuple(map(tuple, cover.shards(regions, frames, parts)))
        return cls(spread, train, tuple(scans), runs, seed)

    @property
    def regions(self) -> int:
        """Of an epoch, over all ranks."""
        return sum(run.regions for part in self.parts for run in part)

    def piece(self, epoch: int, number: int, random: Generator) -> Piece | None:
        total, regions = self.spread.total, self.regions
        place = int(self._order(epoch)[number])
        region = place * regions // total
        if (place + 1) * regions // total == region:
            return None
        part, own = divmod(region, regions // len(self.parts))
        return self._cut(epoch, part)[own]

    def frames_of(self, rank: int) -> list[Rows]:
        each = len(self.parts) // self.spread.world
        runs = [run for part in self.parts[rank * each : (rank + 1) * each] for run in part]
        return [
            np.concatenate([self._rows(run) for run in runs if run.scan == scan] or [_NONE])
            for scan in range(len(self.scans))
        ]

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """The place of each lesson along the scans; those of the same stretch are shuffled."""
        return _order(self.spread, self.seed, epoch)

    def _cut(self, epoch: int, part: int) -> list[Piece]:
        """The regions of a part, remembered until the next epoch."""
        if (epoch, part) not in self._cuts:
            for old in [key for key in self._cuts if key[0] != epoch]:
                del self._cuts[old]
            self._cuts[epoch, part] = self._cut_anew(epoch, part)
        return self._cuts[epoch, part]

    def _cut_anew(self, epoch: int, part: int) -> list[Piece]:
        random = np.random.default_rng((self.seed, CUTS, epoch, part + 1))
        most = self.train.frames_per_region
        return [
            Piece(run.scan, self._rows(run)[rows])
            for run in self.parts[part]
            for rows in cover.cut(self._positions(run), run.regions, most, random)
        ]

    def _rows(self, run: cover.Run) -> Rows:
        return self.scans[run.scan].split.training[run.frames.start : run.frames.stop]

    def _positions(self, run: cover.Run) -> NDArray[np.float64]:
        return self.scans[run.scan].positions[run.frames.start : run.frames.stop]


_NONE: Rows = np.empty(0, np.int64)


@lru_cache(maxsize=2)
def _order(spread: Spread, seed: int, epoch: int) -> NDArray[np.int64]:
    random = np.random.default_rng((seed, CUTS, epoch, 0))
    seats = [spread.seat(number) for number in range(spread.total)]
    along = np.array([seat.number / seat.width for seat in seats])
    places = np.empty(spread.total, np.int64)
    places[np.lexsort((random.random(spread.total), along))] = np.arange(spread.total)
    return places


def _too_many(parts: int, frames: int) -> UserError:
    what = f"{frames} frames are too few to be cut into {parts} shares or more of regions"
    mend = "Write a smaller train.accumulate or train.devices, or a number"
    return UserError(what, where="train.regions_per_epoch", mend=mend)
