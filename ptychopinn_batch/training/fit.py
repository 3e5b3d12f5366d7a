"""One training from start, or from its last checkpoint, to its best weights."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.training.callbacks import (
    Beat,
    DurableCheckpoints,
    GuardedWeights,
    History,
    Pulse,
    Stopped,
)
from ptychopinn_batch.training.data import RegionData
from ptychopinn_batch.training.module import Training
from ptychopinn_batch.training.paths import TrainingPaths

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}


@dataclass(frozen=True)
class Fitted:
    """How a training ended; scores are mean logarithms of the validation error."""

    complete: bool
    first_score: float
    kept_score: float
    epochs: int
    skipped: int


def fit(
    network: Network,
    train: Train,
    stores: list[ScanStore],
    *,
    seed: int,
    folder: Path,
    beat: Beat = lambda **_: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Fitted:
    """Train a network in place and leave the weights to use in `TrainingPaths(folder).weights`.

    Goes on from the last checkpoint in `folder`. Every epoch ends with a checkpoint; a training
    that was stopped in between repeats that epoch, with the same result.
    """
    paths = TrainingPaths(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(seed, verbose=False)
    module, guard = Training(network, train), GuardedWeights(paths.weights)
    last = ModelCheckpoint(paths.checkpoints, filename="last", enable_version_counter=False)
    callbacks = [guard, History(paths.history), Pulse(beat, should_stop), last]
    with warnings.catch_warnings():
        _quiet()
        trainer = _trainer(train, callbacks, folder)
        resume = paths.last if paths.last.exists() else None
        with contextlib.suppress(Stopped):
            trainer.fit(module, RegionData(train, stores, seed), ckpt_path=resume)
    complete = trainer.current_epoch >= train.epochs
    network.load_state_dict(torch.load(paths.weights, weights_only=True))
    return Fitted(complete, guard.first, guard.kept, trainer.current_epoch, module.skipped)


def _trainer(train: Train, callbacks: list[lightning.Callback], folder: Path) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="auto",
        devices=train.devices,
        num_nodes=train.nodes,
        precision=PRECISIONS[train.precision],  # type: ignore[arg-type]
        max_epochs=train.epochs,
        accumulate_grad_batches=train.accumulate,
        gradient_clip_val=train.clip_norm,
        num_sanity_val_steps=-1,
        use_distributed_sampler=False,
        callbacks=callbacks,
        plugins=[DurableCheckpoints()],
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _quiet() -> None:
    """Lightning's advice is about other programs: workers, logging intervals, sanity checks."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning.*")
