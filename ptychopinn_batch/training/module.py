"""The Lightning module: one network, one loss for lessons with truth and one for those without."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Refine, Train
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.networks.base import Network, unchanged
from ptychopinn_batch.networks.cnn import Cnn
from ptychopinn_batch.refinement.adjuster import Adjuster
from ptychopinn_batch.region import Region
from ptychopinn_batch.training.aims import aim_at
from ptychopinn_batch.training.blend import Blend
from ptychopinn_batch.training.ema import Average
from ptychopinn_batch.training.lessons import Lesson
from ptychopinn_batch.training.losses import measured_loss, mixture, object_error, supervised
from ptychopinn_batch.training.parts import enter, parameter_groups, set_rates
from ptychopinn_batch.training.processes import average
from ptychopinn_batch.training.schedules import Clock, Plateau, learning_rate, rates_at
from ptychopinn_batch.training.spread import Spread

# As far as simulated positions are off: near enough to be found along the slopes.
BETWEEN_STEPS = Refine(probe=True, positions=True, position_error=0.3)
MOST_IN_A_ROW = 20  # steps that are not finite, before the training is given up


class Training(lightning.LightningModule):
    """Trains a network; `score` is the mean validation error of the last validation."""

    def __init__(self, network: Network, train: Train, spread: Spread) -> None:
        super().__init__()
        self.network, self.train_settings, self.spread = network, train, spread
        self.average = Average(network, train.ema) if train.ema else None
        self.blend = Blend(network, train.start_share) if train.start_share else None
        self.plateau = Plateau()
        self.score = math.inf
        self.skipped = 0  # optimiser steps whose gradient was not finite
        self.in_a_row = 0  # of them, up to now
        self.loss = torch.zeros(())  # of the last lesson, on this rank
        self._errors: dict[int, Tensor] = {}  # by number of the validation region

    @property
    def judged(self) -> Network:
        """The network that is validated and kept."""
        return self.blend.network if self.blend else self._trained

    @property
    def _trained(self) -> Network:
        return self.average.network if self.average else self.network

    def training_step(self, batch: Lesson, batch_idx: int) -> Tensor:
        epoch = self.current_epoch
        enter(self.optimizers().param_groups, rates_at(self.train_settings, epoch))  # type: ignore[union-attr]
        loss = self._simulated(batch) if batch.withheld is None else self._measured(batch, epoch)
        self.loss = loss.detach()
        return loss

    def _simulated(self, lesson: Lesson) -> Tensor:
        region = lesson.region
        assert region.truth is not None
        adjust = Adjuster.of(BETWEEN_STEPS, region, seed=0) if lesson.refined else unchanged
        result = self.network(region, steps=lesson.steps, warm=lesson.warm, adjust=adjust)
        return supervised(result, region, region.truth)

    def _measured(self, lesson: Lesson, epoch: int) -> Tensor:
        assert lesson.withheld is not None
        aim = aim_at(self.train_settings, epoch)
        misfit = mixture(aim.kinds)
        seen, unseen = shown(self.network, lesson.region, lesson.withheld)
        result = self.network(seen, steps=lesson.steps, warm=lesson.warm, misfit=misfit)
        return measured_loss(result, seen, unseen, aim.weights, misfit)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Average over ranks, which then agree whether the step is finite; skip it if not."""
        gradients = [p.grad for p in self.parameters() if p.grad is not None]
        average(gradients)
        finite = bool(torch.stack([g.isfinite().all() for g in gradients]).all())
        self.in_a_row = 0 if finite else self.in_a_row + 1
        if not finite:
            self.skipped += 1
            optimizer.zero_grad()  # without gradients neither weights nor their moments move
        if self.in_a_row == MOST_IN_A_ROW:
            raise _not_finite(self.current_epoch)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, *args: Any, **kwargs: Any
    ) -> None:
        train, clock = self.train_settings, Clock(self.global_step, epoch)
        # Not Lightning's estimate: it would make the loaders, before the checkpoint is read.
        rate = learning_rate(train, clock, train.epochs * self.spread.steps, self.plateau)
        set_rates(optimizer, rate, rates_at(train, epoch))
        super().optimizer_step(epoch, batch_idx, optimizer, *args, **kwargs)
        if self.average and not self.in_a_row:
            self.average.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        self._errors = {}
        if self.blend:
            self.blend.follow(self._trained)

    def validation_step(self, batch: Lesson, batch_idx: int) -> Tensor:
        """The object (H, W) of a region."""
        number = batch_idx * self.trainer.world_size + self.trainer.global_rank
        error, obj = self._judge(batch)
        if number < self._validation_regions():  # else another rank has it
            self._errors[number] = error
        return obj

    def _judge(self, lesson: Lesson) -> tuple[Tensor, Tensor]:
        """Error of the object where the truth is known, else R on the frames held out; object."""
        region, withheld = lesson.region, lesson.withheld
        if region.truth is not None:
            obj = self.judged(region, steps=lesson.steps).object
            return object_error(obj, region.truth, region.illumination), obj
        assert withheld is not None
        obj = self.judged(region.subset(~withheld), steps=lesson.steps).object
        return data_misfit(obj, region.subset(withheld), MISFITS["amplitude"]), obj

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
        self.plateau.see(self.score, self.train_settings.schedule)  # also that before the training

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["skipped"], checkpoint["in_a_row"] = self.skipped, self.in_a_row
        checkpoint["plateau"] = asdict(self.plateau)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.skipped = checkpoint.get("skipped", 0)
        self.in_a_row = checkpoint.get("in_a_row", 0)
        self.plateau = Plateau(**checkpoint.get("plateau", {}))

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Without a scheduler of torch's: `optimizer_step` sets the rate of every step."""
        train = self.train_settings
        groups = parameter_groups(self.network, train)
        return torch.optim.AdamW(groups, train.lr, weight_decay=train.weight_decay)


def _not_finite(epoch: int) -> UserError:
    what = f"{MOST_IN_A_ROW} steps in a row had gradients that are not finite, in epoch {epoch + 1}"
    mend = "Write a smaller train.lr; if that does not help, look for frames that are not counts"
    return UserError(what, where="train", mend=mend)


def shown(network: Network, region: Region, withheld: Tensor) -> tuple[Region, Region]:
    """What the network is shown of a lesson, and frames of it that only the loss sees.

    Of groups that are compared one by one, every frame is shown: there is no other place for it.
    """
    if isinstance(network, Cnn) and network.settings.merge == "group":
        return network.compared(region), region.subset(torch.zeros_like(withheld))
    return region.subset(~withheld), region.subset(withheld)
