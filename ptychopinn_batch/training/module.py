"""The Lightning module: one network, one loss for lessons with truth and one for those without."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.training.lessons import Lesson
from ptychopinn_batch.training.losses import object_error, supervised, unsupervised
from ptychopinn_batch.training.processes import average
from ptychopinn_batch.training.spread import Spread

WARM_UP = 50  # optimiser steps, or a tenth of them all where that is fewer
LAST_RATE = 0.02  # learning rate at the end of the cosine, as a share of the highest


def rate_factor(step: int, total: int) -> float:
    """Linear warm-up, then half a cosine down to `LAST_RATE`."""
    warm = min(1.0, (step + 1) / min(WARM_UP, max(1, total // 10)))
    half = 0.5 * (1 + math.cos(math.pi * min(1.0, step / max(1, total))))
    return warm * (LAST_RATE + (1 - LAST_RATE) * half)


class Training(lightning.LightningModule):
    """Trains a network; `score` is the mean validation error of the last validation."""

    def __init__(self, network: Network, train: Train) -> None:
        super().__init__()
        self.network, self.train_settings = network, train
        self.misfit = MISFITS[train.loss]
        self.score = math.inf
        self.skipped = 0  # optimiser steps whose gradient was not finite
        self.loss = torch.zeros(())  # of the last lesson, on this rank
        self._errors: dict[int, Tensor] = {}  # by number of the validation region

    def transfer_batch_to_device(
        self, batch: Lesson, device: torch.device, dataloader_idx: int
    ) -> Lesson:
        return batch.to(device)

    def training_step(self, batch: Lesson, batch_idx: int) -> Tensor:
        region = batch.region
        if region.truth is not None:
            result = self.network(region, steps=batch.steps, warm=batch.warm)
            loss = supervised(result, region, region.truth)
        else:
            loss = self._without_truth(batch)
        self.loss = loss.detach()
        return loss

    def _without_truth(self, lesson: Lesson) -> Tensor:
        assert lesson.withheld is not None
        seen = lesson.region.subset(~lesson.withheld)
        result = self.network(seen, steps=lesson.steps, warm=lesson.warm, misfit=self.misfit)
        return unsupervised(result, lesson.region.subset(lesson.withheld), self.misfit)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Average over ranks, which then agree whether the step is finite; skip it if not."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        average(gradients)
        if not torch.stack([g.isfinite().all() for g in gradients]).all():
            self.skipped += 1
            for gradient in gradients:
                gradient.zero_()

    def on_validation_epoch_start(self) -> None:
        self._errors = {}

    def validation_step(self, batch: Lesson, batch_idx: int) -> None:
        number = batch_idx * self.trainer.world_size + self.trainer.global_rank
        if number < self._validation_regions():  # else another rank has it
            self._errors[number] = self._error(batch)

    def _error(self, lesson: Lesson) -> Tensor:
        """Error of the object where the truth is known, else R on the frames held out."""
        region, withheld = lesson.region, lesson.withheld
        if region.truth is not None:
            result = self.network(region, steps=lesson.steps)
            return object_error(result.object, region.truth, region.illumination)
        assert withheld is not None
        result = self.network(region.subset(~withheld), steps=lesson.steps)
        return data_misfit(result.object, region.subset(withheld), MISFITS["amplitude"])

    def _validation_regions(self) -> int:
        return len(self.trainer.val_dataloaders.dataset)  # type: ignore[union-attr]

    def on_validation_epoch_end(self) -> None:
        """Mean of the logarithm, so that no single hard region decides.

        Every rank takes it of all regions in their order, so it is the same for any number of them.
        """
        errors = torch.zeros(self._validation_regions(), device=self.device)
        for number, error in self._errors.items():
            errors[number] = error
        errors = self.trainer.strategy.reduce(errors, reduce_op="sum")
        self.score = float(errors.log().mean())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["skipped"] = self.skipped

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.skipped = checkpoint.get("skipped", 0)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        train = self.train_settings
        # Not Lightning's estimate: it would make the loaders, before the checkpoint is read.
        total = train.epochs * Spread.of(train, self.trainer.world_size).steps
        optimizer = torch.optim.AdamW(
            self.network.parameters(), train.lr, weight_decay=train.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: rate_factor(s, total))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
