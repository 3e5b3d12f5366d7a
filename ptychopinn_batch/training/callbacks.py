"""What happens around training: guarded weights, a history, heartbeats."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
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
            write_atomic(self.path, torch_bytes(module.judged.state_dict()))

    def state_dict(self) -> dict[str, float]:
        return {"first": self.first, "kept": self.kept}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        self.first, self.kept = state_dict["first"], state_dict["kept"]


@dataclass
class Tally:
    """What an epoch came to so far, over all ranks."""

    epoch: int = -1
    loss: float = 0.0  # sum over lessons whose loss is finite
    lessons: int = 0  # of those
    seconds: float = 0.0


@dataclass(frozen=True)
class EpochFigures:
    """One row of the history.

    loss: mean over the epoch's lessons, of those that are finite; validation: mean logarithm of the
    error of the validated regions; skipped: steps since the training began that were not finite.
    """

    epoch: int
    step: int
    loss: float
    validation: float
    lr: float
    seconds: float
    skipped: int

    def row(self) -> dict[str, str]:
        """As text."""
        return {
            name: str(value) if isinstance(value, int) else f"{value:.6g}"
            for name, value in asdict(self).items()
        }


class History(lightning.Callback):
    """One CSV row per epoch; after a resume, rows of epochs that are repeated are replaced.

    The losses of an epoch that is interrupted are kept in the checkpoint. `latest`: of the epoch
    that ended last, on every rank.
    """

    COLUMNS = tuple(field.name for field in fields(EpochFigures))

    def __init__(self, path: Path, spread: Spread) -> None:
        self.path, self.spread, self._since = path, spread, time.monotonic()
        self.latest: EpochFigures | None = None
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
            self._add(trainer)

    def _add(self, trainer: lightning.Trainer) -> None:
        """The lessons of a step of all ranks."""
        losses = torch.stack(self._losses)
        finite = losses[losses.isfinite()]
        own = torch.stack([finite.sum(), finite.new_tensor(float(len(finite)))])
        loss, lessons = trainer.strategy.reduce(own, reduce_op="sum").tolist()
        self._tally.loss += loss
        self._tally.lessons += round(lessons)
        self._losses = []

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        assert isinstance(module, Training)
        self.latest = self._figures(trainer, module)
        if trainer.is_global_zero:
            self._write(self.latest)
        self._since = time.monotonic()

    def _figures(self, trainer: lightning.Trainer, module: Training) -> EpochFigures:
        lessons = self._tally.lessons
        return EpochFigures(
            epoch=trainer.current_epoch,
            step=trainer.global_step,
            loss=self._tally.loss / lessons if lessons else math.nan,
            validation=module.score,
            lr=trainer.optimizers[0].param_groups[0]["lr"],
            seconds=self._seconds(),
            skipped=module.skipped,
        )

    def _seconds(self) -> float:
        return self._tally.seconds + time.monotonic() - self._since

    def _write(self, figures: EpochFigures) -> None:
        earlier = [old for old in self.rows() if int(old["epoch"]) < figures.epoch]
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS)
        writer.writeheader()
        writer.writerows([*earlier, figures.row()])
        write_atomic(self.path, text.getvalue())

    def rows(self) -> list[dict[str, str]]:
        """What is written so far."""
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8", errors="replace")
        rows = csv.DictReader(io.StringIO(text))
        return [row for row in rows if (row.get("epoch") or "").isdecimal()]

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
        skipped = {"skipped_steps": module.skipped} if module.skipped else {}
        self.beat(
            step=trainer.current_epoch * per_epoch + batch_idx + 1,
            total=epochs * per_epoch,
            # Not outputs["loss"]: Lightning has divided that by the number of accumulated regions.
            loss=float(module.loss),
            epoch=f"{trainer.current_epoch + 1}/{epochs}",
            **skipped,
        )
