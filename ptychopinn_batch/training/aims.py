"""What a training aims at in each of its epochs: the weights of all terms of its loss. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ptychopinn_batch.jobspec import Stage, Train, Weights

CURVES: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "cosine": lambda t: 0.5 * (1 - math.cos(math.pi * t)),
    "quadratic": lambda t: t * t,
}
"""Share of the new weights after a share of a ramp."""


@dataclass(frozen=True)
class Aim:
    """Weights of the terms, and the share of each kind of misfit in that of the frames."""

    weights: Weights
    kinds: tuple[tuple[str, float], ...]


def aim_at(train: Train, epoch: int) -> Aim:
    """The aim of an epoch, counted from 0."""
    weights = train.weights
    kinds: dict[str, float] = {train.loss: 1.0}
    for stage in train.stages:
        if stage.from_epoch <= epoch + 1:
            share = _share(stage, epoch)
            weights = _between(weights, stage.weights or weights, share)
            kinds = _mixed(kinds, stage.loss, share) if stage.loss else kinds
    return Aim(weights, tuple((kind, part) for kind, part in kinds.items() if part))


def _share(stage: Stage, epoch: int) -> float:
    """How far a stage has taken over in an epoch, 0 to 1; it begins to in its first epoch."""
    done = epoch + 2 - stage.from_epoch
    return CURVES[stage.curve](min(1.0, done / (stage.ramp + 1)))


def _between(before: Weights, after: Weights, share: float) -> Weights:
    old, new = before.model_dump(), after.model_dump()
    return Weights(**{key: (1 - share) * old[key] + share * new[key] for key in old})


def _mixed(kinds: dict[str, float], kind: str, share: float) -> dict[str, float]:
    mixed = {key: (1 - share) * part for key, part in kinds.items()}
    mixed[kind] = mixed.get(kind, 0.0) + share
    return mixed
