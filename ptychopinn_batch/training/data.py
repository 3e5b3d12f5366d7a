"""The Lightning data module: lessons for training, fixed regions for validation."""

from __future__ import annotations

from collections.abc import Callable

import lightning
import torch
from torch.utils.data import DataLoader, Dataset

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.simulate.regions import simulated_region
from ptychopinn_batch.training.lessons import VALIDATION, EpochSampler, Lesson, Lessons
from ptychopinn_batch.training.measured import around, cut_region, held_out

SIMULATED_REGIONS = 12  # validated on after every epoch
MEASURED_REGIONS = 2  # of every scan
VALIDATION_STEPS = 12  # of an unrolled network


class ValidationRegions(Dataset[Lesson]):
    """The same regions after every epoch, of each source that is trained on."""

    def __init__(self, train: Train, stores: list[ScanStore], seed: int) -> None:
        self.train, self.stores, self.seed = train, stores, seed
        self.measured = len(stores) * MEASURED_REGIONS if train.simulated < 1 else 0
        self.simulated = SIMULATED_REGIONS if train.simulated > 0 else 0

    def __len__(self) -> int:
        return self.measured + self.simulated

    def __getitem__(self, number: int) -> Lesson:
        if number >= self.measured:
            return Lesson(simulated_region((self.seed, VALIDATION, number)), VALIDATION_STEPS)
        store = self.stores[number // MEASURED_REGIONS]
        return self._held_out(store, (number % MEASURED_REGIONS + 0.5) / MEASURED_REGIONS)

    def _held_out(self, store: ScanStore, where: float) -> Lesson:
        """A window around a frame some way along the store, its held-out frames withheld."""
        positions = store.positions.numpy()
        centre = positions[int(where * len(positions))]
        rows = around(positions, centre, self.train.window, self.train.frames_per_region)
        region = cut_region(store, rows, Canvas.around(positions[rows], store.info.n))
        share = self.train.validation or 0.1
        withheld = held_out(store.info.frames, share)[torch.from_numpy(rows)]
        return Lesson(region, VALIDATION_STEPS, withheld=withheld)


def _one_thread(worker: int) -> None:
    """A loading process leaves the other cores to the network."""
    torch.set_num_threads(1)


class RegionData(lightning.LightningDataModule):
    """Loaders whose order depends on nothing but the seed, the epoch and the rank."""

    def __init__(
        self, train: Train, stores: list[ScanStore], seed: int, begin: Callable[[], tuple[int, int]]
    ) -> None:
        """`begin` is asked, once a checkpoint is read, for the epoch and how much of it is done."""
        super().__init__()
        self.train_settings, self.stores, self.seed, self.begin = train, stores, seed, begin

    def train_dataloader(self) -> DataLoader[Lesson]:
        assert self.trainer is not None
        train = self.train_settings
        rank, world = self.trainer.global_rank, self.trainer.world_size
        return DataLoader(
            Lessons(train, self.stores, self.seed),
            batch_size=None,
            sampler=EpochSampler(train.regions_per_epoch, rank, world, self.begin()),
            num_workers=train.workers,
            worker_init_fn=_one_thread,
            prefetch_factor=4 if train.workers else None,
            persistent_workers=train.workers > 0,
        )

    def val_dataloader(self) -> DataLoader[Lesson]:
        """Equally many regions for every rank, the last of them again where there are too few."""
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        regions = ValidationRegions(self.train_settings, self.stores, self.seed)
        turns = range(-(-len(regions) // world))
        share = [min(turn * world + rank, len(regions) - 1) for turn in turns]
        return DataLoader(regions, batch_size=None, sampler=share)
