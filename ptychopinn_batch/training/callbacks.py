"""What happens around training: guarded weights, a history, heartbeats."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from hpc.fsio import write_atomic
from ptychopinn_batch.training.checkpoints import torch_bytes
from ptychopinn_batch.training.lessons import Lesson
from ptychopinn_batch.training.module import Training
from ptychopinn_batch.training.spread import Spread

Beat = Callable[..., None]


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


@dataclass
class Tally:
    """What an epoch came to so far, over all ranks."""

    epoch: int = -1
    loss: float = 0.0  # sum over lessons
    lessons: int = 0
    seconds: float = 0.0


class History(lightning.Callback):
    """One CSV row per epoch; after a resume, rows of epochs that are repeated are replaced.

    The losses of an epoch that is interrupted are kept in the checkpoint.
    """

    COLUMNS = ("epoch", "step", "loss", "validation", "lr", "seconds", "skipped")

    def __init__(self, path: Path, spread: Spread) -> None:
        self.path, self.spread, self._since = path, spread, time.monotonic()
        self._tally = Tally()
        self._losses: list[Tensor] = []  # of this rank, since the last step of the optimiser

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self._since = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Lesson,
        batch_idx: int,
    ) -> None:
        assert isinstance(module, Training)
        if trainer.current_epoch != self._tally.epoch:
            self._tally = Tally(trainer.current_epoch)
        self._losses.append(module.loss)
        if self.spread.ends_step(batch_idx):
            own = torch.stack(self._losses).sum()
            self._tally.loss += float(trainer.strategy.reduce(own, reduce_op="sum"))
            self._tally.lessons += len(self._losses) * self.spread.world
            self._losses = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        assert isinstance(module, Training)
        if trainer.is_global_zero:
            self._write(self._row(trainer, module))
        self._since = time.monotonic()

    def _row(self, trainer: lightning.Trainer, module: Training) -> dict[str, Any]:
        return {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "loss": f"{self._tally.loss / self._tally.lessons:.6g}",
            "validation": f"{module.score:.6g}",
            "lr": f"{trainer.optimizers[0].param_groups[0]['lr']:.4g}",
            "seconds": f"{self._seconds():.2f}",
            "skipped": module.skipped,
        }

    def _seconds(self) -> float:
        return self._tally.seconds + time.monotonic() - self._since

    def _write(self, row: dict[str, Any]) -> None:
        earlier = [old for old in self.rows() if int(old["epoch"]) < row["epoch"]]
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS)
        writer.writeheader()
        writer.writerows([*earlier, row])
        write_atomic(self.path, text.getvalue())

    def rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        return list(csv.DictReader(io.StringIO(self.path.read_text())))

    def state_dict(self) -> dict[str, Any]:
        return {**asdict(self._tally), "seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._tally = Tally(**state_dict)


class Pulse(lightning.Callback):
    """Tells the ledger how far training is."""

    def __init__(self, beat: Beat, spread: Spread) -> None:
        self.beat, self.spread = beat, spread

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Lesson,
        batch_idx: int,
    ) -> None:
        if not trainer.is_global_zero:
            return
        assert isinstance(module, Training)
        per_epoch, epochs = self.spread.lessons, int(trainer.max_epochs or 1)
        self.beat(
            step=trainer.current_epoch * per_epoch + batch_idx + 1,
            total=epochs * per_epoch,
            # Not outputs["loss"]: Lightning has divided that by the number of accumulated regions.
            loss=float(module.loss),
            epoch=f"{trainer.current_epoch + 1}/{epochs}",
        )
