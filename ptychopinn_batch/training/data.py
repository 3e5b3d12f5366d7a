"""The Lightning data module: lessons for training, fixed regions for validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.lessons import EpochSampler, Lesson, Lessons
from ptychopinn_batch.training.measured import around, cut_region
from ptychopinn_batch.training.residence import Resident, room_on
from ptychopinn_batch.training.syllabus import VALIDATION, Syllabus, TrainingScan

SIMULATED_REGIONS = 12  # validated on after every epoch
MEASURED_REGIONS = 2  # of every scan
MOST_MEASURED = 24  # of all scans together; where there are more, not all scans are looked at
VALIDATION_STEPS = 12  # of an unrolled network


class ValidationRegions(Dataset[Lesson]):
    """The same regions after every epoch, of each source that is trained on.

    No frame of them is trained on, as far as the spec keeps frames for validation.
    """

    def __init__(self, train: Train, scans: Sequence[TrainingScan], seed: int) -> None:
        self.train, self.scans, self.seed = train, scans, seed
        measured = min(len(scans) * MEASURED_REGIONS, MOST_MEASURED)
        self.measured = measured if train.simulated < 1 else 0
        self.simulated = SIMULATED_REGIONS if train.simulated > 0 else 0

    def __len__(self) -> int:
        return self.measured + self.simulated

    def __getitem__(self, number: int) -> Lesson:
        if number >= self.measured:
            region = simulated_region((self.seed, VALIDATION, 0, number))
            return Lesson(region, VALIDATION_STEPS)
        scan, where = divmod((number + 0.5) * len(self.scans) / self.measured, 1)
        return self._measured(self.scans[int(scan)], where)

    def _measured(self, scan: TrainingScan, where: float) -> Lesson:
        """A window around the withheld frame some way along the scan, with others to see."""
        store, of = scan.store, scan.split
        positions = store.positions.numpy()
        centre = positions[of.withheld[int(where * len(of.withheld))]]
        shown = positions[np.setdiff1d(of.validation, of.withheld)]
        window = max(self.train.window, 2.1 * np.abs(shown - centre).max(1).min())
        near = around(positions[of.validation], centre, window, self.train.frames_per_region)
        rows = of.validation[near]
        region = cut_region(store, rows, Canvas.around(positions[rows], store.info.n))
        withheld = torch.from_numpy(np.isin(rows, of.withheld))
        return Lesson(region, VALIDATION_STEPS, withheld=withheld)


def _one_thread(worker: int) -> None:
    """A loading process leaves the other cores to the network."""
    torch.set_num_threads(1)


class RegionData(lightning.LightningDataModule):
    """Loaders whose order depends on nothing but the seed, the epoch and the rank."""

    def __init__(
        self,
        train: Train,
        scans: Sequence[TrainingScan],
        seed: int,
        syllabus: Syllabus,
        begin: Callable[[], tuple[int, int]],
        *,
        sharing: int = 1,
    ) -> None:
        """`begin` is asked, once a checkpoint is read, for the epoch and how much of it is done.

        `sharing`: how many ranks share this one's GPU.
        """
        super().__init__()
        self.train_settings, self.scans, self.seed = train, scans, seed
        self.syllabus, self.begin, self.sharing = syllabus, begin, sharing
        self.resident: Resident | None = None

    def train_dataloader(self) -> DataLoader[Lesson]:
        train = self.train_settings
        self.resident = self._on_device()
        resident = self.resident is not None
        return DataLoader(
            Lessons(train, self.scans, self.seed, self.syllabus, resident=resident),
            batch_size=None,
            sampler=EpochSampler(self.syllabus.spread, self._rank, self.begin()),
            num_workers=train.workers,
            worker_init_fn=_one_thread,
            prefetch_factor=4 if train.workers else None,
            persistent_workers=train.workers > 0,
        )

    def val_dataloader(self) -> DataLoader[Lesson]:
        """Equally many regions for every rank, the last of them again where there are too few."""
        world = self.syllabus.spread.world
        regions = ValidationRegions(self.train_settings, self.scans, self.seed)
        turns = range(-(-len(regions) // world))
        share = [min(turn * world + self._rank, len(regions) - 1) for turn in turns]
        return DataLoader(regions, batch_size=None, sampler=share)

    def transfer_batch_to_device(
        self, batch: Lesson, device: torch.device, dataloader_idx: int
    ) -> Lesson:
        lesson = batch.to(device)
        return self.resident.completed(lesson) if self.resident else lesson

    @property
    def _rank(self) -> int:
        assert self.trainer is not None
        return self.trainer.global_rank

    def _on_device(self) -> Resident | None:
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        if not room_on(device, self.sharing):
            return None
        rows = self.syllabus.frames_of(self._rank)
        return Resident.where_it_fits(self.scans, rows, device, self.sharing)
