"""What happens around training: durable checkpoints, guarded weights, a history, heartbeats."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hpc.fsio import write_atomic
from ptychopinn_batch.training.lessons import Lesson
from ptychopinn_batch.training.module import Training

Beat = Callable[..., None]


def torch_bytes(value: object) -> bytes:
    """What `torch.save` would write."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


class DurableCheckpoints(TorchCheckpointIO):
    """Checkpoints are whole or absent after any crash, and are read without unpickling code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(Path(path), torch_bytes(checkpoint))

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = "cpu",
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        loaded: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        return loaded


class GuardedWeights(lightning.Callback):
    """Keeps the newest weights that validate no worse than those before the training.

    So an adaptation is never worse than what it started from, on the frames held out. Not the best
    weights: the rate falls to the end, and a few regions are too noisy to choose an epoch by.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.first, self.kept = path, math.inf, math.inf

    def on_sanity_check_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        assert isinstance(module, Training)
        self.first = module.score
        self._keep(trainer, module)

    def on_validation_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        assert isinstance(module, Training)
        if not trainer.sanity_checking and module.score <= self.first:
            self._keep(trainer, module)

    def _keep(self, trainer: lightning.Trainer, module: Training) -> None:
        self.kept = module.score
        if trainer.is_global_zero:
            write_atomic(self.path, torch_bytes(module.network.state_dict()))

    def state_dict(self) -> dict[str, float]:
        return {"first": self.first, "kept": self.kept}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.first, self.kept = state_dict["first"], state_dict["kept"]


class History(lightning.Callback):
    """One CSV row per epoch; after a resume, rows of epochs that are repeated are replaced."""

    COLUMNS = ("epoch", "step", "loss", "validation", "lr", "seconds", "skipped")

    def __init__(self, path: Path) -> None:
        self.path, self._start = path, time.monotonic()

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        self._start = time.monotonic()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(module, Training)
        row = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "loss": f"{float(trainer.callback_metrics['loss_epoch']):.6g}",
            "validation": f"{module.score:.6g}",
            "lr": f"{trainer.optimizers[0].param_groups[0]['lr']:.4g}",
            "seconds": f"{time.monotonic() - self._start:.2f}",
            "skipped": module.skipped,
        }
        earlier = [old for old in self.rows() if int(old["epoch"]) < trainer.current_epoch]
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS)
        writer.writeheader()
        writer.writerows([*earlier, row])
        write_atomic(self.path, text.getvalue())

    def rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        return list(csv.DictReader(io.StringIO(self.path.read_text())))


class Stopped(Exception):
    """Training was asked to stop.

    An exception, because Lightning's own `should_stop` ends the epoch as if it were whole, and
    the checkpoint would say so.
    """


class Pulse(lightning.Callback):
    """Tells the ledger how far training is, and stops it when asked to."""

    def __init__(self, beat: Beat, should_stop: Callable[[], bool]) -> None:
        self.beat, self.should_stop = beat, should_stop

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Lesson,
        batch_idx: int,
    ) -> None:
        per_epoch = int(trainer.num_training_batches)
        epochs = int(trainer.max_epochs or 1)
        self.beat(
            step=trainer.current_epoch * per_epoch + batch_idx + 1,
            total=epochs * per_epoch,
            # Not outputs["loss"]: Lightning has divided that by the number of accumulated regions.
            loss=float(trainer.callback_metrics["loss_step"]),
            epoch=f"{trainer.current_epoch + 1}/{epochs}",
        )
        if self.should_stop():
            raise Stopped
