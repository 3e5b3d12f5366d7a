"""Networks by name."""

from __future__ import annotations

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
