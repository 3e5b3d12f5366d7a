"""The callback of the first rank that draws pictures and tells trackers, after every epoch."""

from __future__ import annotations

import logging
from typing import Any

import lightning
from torch import Tensor

from ptychopinn_batch.training.callbacks import History
from ptychopinn_batch.training.lessons import Lesson
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.training.pictures import draw_loss, draw_region
from ptychopinn_batch.training.tracking import Trackers

_log = logging.getLogger(__name__)


class Journal(lightning.Callback):
    """To be called after the history, and on the first rank only.

    Pictures are drawn every so many epochs, and after the last one: of the loss, and of the first
    region that is validated on. One that cannot be drawn is told of, and fails no training.
    """

    def __init__(
        self, paths: TrainingPaths, history: History, trackers: Trackers, pictures: int
    ) -> None:
        self.paths, self.history, self.trackers, self.every = paths, history, trackers, pictures
        self._example: tuple[Tensor, Lesson] | None = None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.trackers.start(trainer.current_epoch)

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Lesson,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if batch_idx == 0 and self._due(trainer):
            self._example = outputs, batch

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        if self.history.latest is not None:
            self.trackers.figures(self.history.latest)
        if self._due(trainer):
            try:
                self._draw(trainer.current_epoch)
            except Exception:
                _log.warning("no pictures of epoch %d", trainer.current_epoch + 1, exc_info=True)

    def on_fit_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        self.trackers.close(complete=True)

    def on_exception(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        exception: BaseException,
    ) -> None:
        """A stop is one too."""
        self.trackers.close(complete=False)

    def _due(self, trainer: lightning.Trainer) -> bool:
        done = trainer.current_epoch + 1
        last = done == trainer.max_epochs
        return not trainer.sanity_checking and self.every > 0 and (last or done % self.every == 0)

    def _draw(self, epoch: int) -> None:
        draw_loss(self.history.rows(), self.paths.loss_curve)
        self.trackers.picture(self.paths.loss_curve, epoch)
        if self._example is None:
            return
        (obj, lesson), self._example = self._example, None
        path, region = self.paths.region(epoch + 1), lesson.region
        draw_region(obj, region.illumination, region.truth, f"epoch {epoch + 1}", path)
        self.trackers.picture(path, epoch)
