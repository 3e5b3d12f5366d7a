"""One training from start, or from its last checkpoint, to the weights to use."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import lightning
import torch

from hpc.errors import StateError
from hpc.ranks import Ranks
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.training.callbacks import Beat, GuardedWeights, History, Pulse
from ptychopinn_batch.training.checkpoints import ANEW, Checkpoints, Stopped
from ptychopinn_batch.training.compiling import compile_layers
from ptychopinn_batch.training.data import RegionData
from ptychopinn_batch.training.journal import Journal
from ptychopinn_batch.training.module import Training
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.training.processes import joined, ranks_on_gpu, read_for_all
from ptychopinn_batch.training.spread import Spread
from ptychopinn_batch.training.syllabus import TrainingScan, syllabus_of
from ptychopinn_batch.training.tracking import Label, Trackers
from ptychopinn_batch.training.trainer import new_trainer, quiet
from ptychopinn_batch.training.truth import check_objects


@dataclass(frozen=True)
class Fitted:
    """How a training ended, the same on all ranks.

    Scores are mean logarithms of the validation error; `advanced`: a later attempt goes on from a
    place that is further than where this one began.
    """

    complete: bool
    advanced: bool
    first_score: float
    kept_score: float
    epochs: int
    skipped: int

    @classmethod
    def of(
        cls, module: Training, guard: GuardedWeights, checkpoints: Checkpoints, epochs: int
    ) -> Self:
        """Of a training that was to take so many epochs, once it has ended or was stopped."""
        return cls(
            complete=checkpoints.saved.epoch >= epochs,
            advanced=checkpoints.saved > checkpoints.begun,
            first_score=guard.first,
            kept_score=guard.kept,
            epochs=checkpoints.saved.epoch,
            skipped=module.skipped,
        )


def fit(
    network: Network,
    train: Train,
    stores: list[ScanStore],
    *,
    seed: int,
    folder: Path,
    beat: Beat = lambda **_: None,
    should_stop: Callable[[], bool] = lambda: False,
    ranks: Ranks = Ranks(),  # noqa: B008 (frozen)
    label: Label = Label(),  # noqa: B008 (frozen)
) -> Fitted:
    """Train a network in place and leave the weights to use in `TrainingPaths(folder).weights`.

    Goes on from the last checkpoint in `folder`, at the lesson where that was written. To be
    called by every rank; the first one writes, and one that is asked to stop stops them all. The
    network has the weights to use only where the training is complete.
    """
    paths = TrainingPaths(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(seed, verbose=False)
    check_objects(train, stores)
    scans = [TrainingScan.of(store, train) for store in stores]
    syllabus = syllabus_of(train, scans, seed=seed, world=ranks.size)
    spread = syllabus.spread
    module, guard = Training(network, train, spread), GuardedWeights(paths.weights)
    checkpoints = Checkpoints(paths.last, spread, should_stop)
    told = _told(train, paths, spread, beat, label if ranks.rank == 0 else None)
    sharing = ranks_on_gpu(ranks, ranks_of_node=train.devices)
    data = RegionData(train, scans, seed, syllabus, checkpoints.begin, sharing=sharing)
    if train.compile:
        compile_layers(network)
    with quiet():
        trainer = new_trainer(train, spread, [guard, *told, checkpoints], folder, ranks)
        with joined(trainer):
            _run(trainer, module, data, paths.last)
            fitted = Fitted.of(module, guard, checkpoints, train.epochs)
            if fitted.complete:
                _take(network, paths.weights)
    return fitted


def _run(trainer: lightning.Trainer, module: Training, data: RegionData, last: Path) -> None:
    """Until the end or until it is stopped, from the last checkpoint where there is one."""
    resume = trainer.strategy.broadcast(last.exists())
    if resume:  # else the weights of the checkpoint would pass for those before the training
        trainer.num_sanity_val_steps = 0
    with contextlib.suppress(Stopped):
        trainer.fit(module, data, ckpt_path=last if resume else None)


def _take(network: Network, weights: Path) -> None:
    """Give a network the weights in a file, the same on all ranks."""
    try:
        read = io.BytesIO(read_for_all(weights))
    except FileNotFoundError:
        what = "the weights of this training are gone"
        raise StateError(what, where=str(weights.parent), mend=ANEW) from None
    network.load_state_dict(torch.load(read, map_location="cpu", weights_only=True))


def _told(
    train: Train, paths: TrainingPaths, spread: Spread, beat: Beat, label: Label | None
) -> list[lightning.Callback]:
    """What records how a training goes; `label` on the first rank only."""
    history = History(paths.history, spread)
    told: list[lightning.Callback] = [history, Pulse(beat, spread)]
    if label is not None:
        trackers = Trackers(train.track, paths, label)
        told.append(Journal(paths, history, trackers, train.pictures))
    return told
