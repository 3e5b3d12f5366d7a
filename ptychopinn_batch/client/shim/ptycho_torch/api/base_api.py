"""The calls that Ptychodus 1.7.0 makes of PtychoPINN to reconstruct, in the order of the calls."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ptychodus.api.reconstruct import ReconstructInput
from ptychodus.api.settings import SettingsRegistry

from ptychopinn_batch.client.exchange import Complex, on_the_canvas_of
from ptychopinn_batch.client.reconstructor import BatchReconstructor
from ptychopinn_batch.client.settings import ClientSettings

SETTINGS = "PTYCHOPINN_BATCH_SETTINGS"  # names a settings file; Ptychodus hands over none


@dataclass
class PtychoModel:
    """The path of a network, and configurations of which Ptychodus compares `mode`."""

    model_config: Any
    data_config: Any
    training_config: Any
    inference_config: Any
    model: Path = field(init=False)

    @staticmethod
    def _extract_configs_from_checkpoint(path: str) -> tuple[SimpleNamespace, ...]:
        return (SimpleNamespace(mode="Unsupervised"),) * 4


@dataclass(frozen=True)
class ConfigManager:
    model_config: Any

    @classmethod
    def from_loaded_model(cls, model: PtychoModel) -> ConfigManager:
        return cls(model.model_config)

    def validate_arch_compatibility(self, model: PtychoModel) -> None:
        """Every package brings its own architecture."""


@dataclass(frozen=True)
class PtychoDataLoader:
    parameters: ReconstructInput

    @classmethod
    def from_np(cls, **arrays: Any) -> PtychoDataLoader:
        """The arrays lack energy, distance, pixels and canvas; the caller has the whole input."""
        return cls(sys._getframe(1).f_locals["parameters"])


@dataclass(frozen=True)
class InferenceEngine:
    config_manager: ConfigManager
    ptycho_model: PtychoModel

    def predict_and_stitch(self, data: PtychoDataLoader) -> Complex:
        registry = SettingsRegistry()
        reconstructor = BatchReconstructor(ClientSettings.registered(registry))
        if SETTINGS in os.environ:
            registry.open_settings(Path(os.environ[SETTINGS]))
        reconstructor.load_model_from_file(self.ptycho_model.model)
        (found,) = reconstructor.reconstruct(data.parameters)
        return on_the_canvas_of(data.parameters.product, found.product)
