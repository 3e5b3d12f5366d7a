"""Parts of a network by names in those of its weights: each learns at a rate of its own, or not.

The name `encoder` means every weight with `encoder` among the words of its dotted name, and
`phase.trunk` those with both, one after the other. Of several names that counts which reaches
farthest into the weight's own, and of those the longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import nn

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Rates, Train

Groups = list[dict[str, Any]]
"""Parameter groups as an optimiser takes them, each with the name of its part."""


def parameter_groups(network: nn.Module, train: Train) -> Groups:
    """A group for every part that any stage names, after one for the rest, named ''.

    UserError for a name that no weight has, and where nothing at all would be trained.
    """
    names = sorted(set(chain(train.rates, *(stage.rates or {} for stage in train.stages))))
    weights = dict(network.named_parameters())
    part = {name: _part(name, names) for name in weights}
    for name in names:
        if not any(_holds(weight, name) for weight in weights):
            raise _unknown(name, weights)
    groups = [
        {"params": [weights[w] for w in weights if part[w] == name], "part": name}
        for name in ("", *names)
    ]
    return [group for group in groups if group["params"]]


def enter(groups: Groups, rates: Rates) -> None:
    """Freeze the parts whose factor is 0, and thaw the others; UserError where that is all."""
    for group in groups:
        for parameter in group["params"]:
            parameter.requires_grad_(rates.get(group["part"], 1.0) > 0)
    if not any(rates.get(group["part"], 1.0) > 0 for group in groups):
        what, mend = "every part of the network is frozen", "Give one a factor above 0"
        raise UserError(what, where="train.rates", mend=mend)


def set_rates(optimizer: torch.optim.Optimizer, rate: float, rates: Rates) -> None:
    """The rate of a step, times the factor of each part."""
    for group in optimizer.param_groups:
        group["lr"] = rate * rates.get(group["part"], 1.0)


def _part(weight: str, names: Sequence[str]) -> str:
    def reach(name: str) -> tuple[int, int]:
        return f".{weight}.".rindex(f".{name}.") + len(name), len(name)

    return max((name for name in names if _holds(weight, name)), key=reach, default="")


def _holds(weight: str, name: str) -> bool:
    return f".{name}." in f".{weight}."


def _unknown(name: str, weights: Iterable[str]) -> UserError:
    words = {word for weight in weights for word in weight.split(".")[:-1] if not word.isdigit()}
    what = f"no weights of this network are named '{name}'"
    mend = f"Write one of {', '.join(sorted(words))}"
    return UserError(what, where=f"train.rates.{name}", mend=mend)
