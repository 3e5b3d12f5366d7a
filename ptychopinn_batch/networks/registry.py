"""Networks by name."""

from __future__ import annotations

import torch
from pydantic import BaseModel

from ptychopinn_batch.jobspec import CnnSettings, Model, UnrolledSettings
from ptychopinn_batch.networks.base import Network


def build_network(architecture: str, settings: BaseModel) -> Network:
    """A network with random weights.

    Raises ValueError when the settings are not those of the architecture.
    """
    match architecture, settings:
        case "unrolled", UnrolledSettings():
            from ptychopinn_batch.networks.unrolled import Unrolled

            return Unrolled(settings)
        case "cnn", CnnSettings():
            from ptychopinn_batch.networks.cnn import Cnn

            return Cnn(settings)
    raise ValueError(f"no network {architecture!r} with {type(settings).__name__}")


def new_network(model: Model, seed: int) -> Network:
    """The new network of a job spec; same seed, same weights. ValueError for a pretrained one."""
    if model.architecture is None:
        raise ValueError(f"{model.pretrained!r} is no new network")
    torch.manual_seed(seed)
    return build_network(model.architecture, model.settings)
