"""The learning rate at every step of a training, and of every part of the network.

Pure arithmetic from the spec, the step and what the validations said: every rank has the same rate,
and a resumed training goes on with it. Without torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ptychopinn_batch.jobspec import Rates, Schedule, Stage, Train


@dataclass
class Plateau:
    """What is remembered of the validations: the best score, how many since then, the factor.

    The first of them is made before the training: an epoch that is no better brought no gain.
    """

    best: float = math.inf
    waited: int = 0
    factor: float = 1.0

    def see(self, score: float, schedule: Schedule) -> None:
        """A score is the logarithm of an error, so a difference is a relative gain."""
        if score < self.best + math.log1p(-schedule.threshold):
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited > schedule.patience:
            self.factor, self.waited = max(schedule.last, self.factor * schedule.factor), 0


@dataclass(frozen=True)
class Clock:
    """How far a training is: steps of the optimiser and epochs, both counted from 0."""

    step: int
    epoch: int


def learning_rate(train: Train, clock: Clock, steps: int, plateau: Plateau) -> float:
    """The rate of a step, of `steps` of the whole training, before the factors of parts."""
    stage = stage_at(train, clock.epoch)
    top = train.lr * (stage.lr if stage else 1.0)
    warm = warm_up(train.schedule, clock.step, steps)
    return top * (warm * _factor(train.schedule, clock, steps, plateau))


def warm_up(schedule: Schedule, step: int, steps: int) -> float:
    """A linear rise over `schedule.warm_up` steps, or a tenth of them all where that is fewer."""
    rise = min(schedule.warm_up, max(1, steps // 10))
    return min(1.0, (step + 1) / rise) if rise else 1.0


def _factor(schedule: Schedule, clock: Clock, steps: int, plateau: Plateau) -> float:
    match schedule.kind:
        case "cosine":
            half = 0.5 * (1 + math.cos(math.pi * min(1.0, clock.step / max(1, steps))))
            return schedule.last + (1 - schedule.last) * half
        case "exponential":
            return max(schedule.last, schedule.decay**clock.epoch)
        case "plateau":
            return plateau.factor
        case _:
            return 1.0


def stage_at(train: Train, epoch: int) -> Stage | None:
    """The stage that an epoch, counted from 0, belongs to; None before the first."""
    begun = [stage for stage in train.stages if stage.from_epoch <= epoch + 1]
    return begun[-1] if begun else None


def rates_at(train: Train, epoch: int) -> Rates:
    """The factors of parts in an epoch, counted from 0."""
    said = [stage.rates for stage in train.stages if stage.from_epoch <= epoch + 1]
    stated = [rates for rates in said if rates is not None]
    return stated[-1] if stated else train.rates
