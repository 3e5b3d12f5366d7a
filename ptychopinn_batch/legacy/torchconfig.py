"""The configuration of PtychoPINN's PyTorch lineage, and what it is in the canonical classes.

Four sections, as its JSON files, Lightning checkpoints and bundles hold them: data, model,
training and inference. Fields and defaults are those of its main branch of July 2026
(https://github.com/hoidn/PtychoPINN, `ptycho_torch/config_params.py`), as far as they decide what
a network is or what `params.cfg` holds; other fields of data, training and inference are ignored.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hpc.errors import UserError
from hpc.record import explain
from ptychopinn_batch.legacy.bridge import fill
from ptychopinn_batch.legacy.canonical import Canonical, Kind, configured
from ptychopinn_batch.legacy.table import Values

UNSET_DOSE = 1e5  # the default of DataConfig, which nobody measured
MODES = {"Unsupervised": "pinn", "Supervised": "supervised"}
ACTIVATIONS = {"silu": "swish", "SiLU": "swish"}
BUNDLE = "wts.h5.zip"
SUPPORTED = "sigmoid", "swish", "softplus", "relu"

logger = logging.getLogger(__name__)
M = TypeVar("M", bound="TorchSection")


class TorchSection(BaseModel):
    """A section as its own program wrote it: lists for tuples, integers for floats."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class DataSection(TorchSection):
    """`DataConfig`. scale_contract_version, measurement_domain: None before they existed."""

    nphotons: float = UNSET_DOSE
    N: int = 64
    C: int = 4
    K: int = 6
    grid_size: tuple[int, int] = (2, 2)
    probe_scale: float = 4.0
    subsample_seed: int | None = None
    scale_contract_version: str | None = None
    measurement_domain: str | None = None


class ModelSection(TorchSection):
    """`ModelConfig`. use_legacy_decoder_channel_override: None before it existed."""

    mode: str = "Unsupervised"
    architecture: str = "cnn"
    n_filters_scale: int = 2
    amp_activation: str = "silu"
    batch_norm: bool = False
    object_big: bool = True
    probe_big: bool = True
    probe_mask: Any = False
    probe_mask_tensor: Any = None
    pad_object: bool = True
    gaussian_smoothing_sigma: float = 0.0
    intensity_scale_trainable: bool = False
    cnn_output_mode: str = "amp_phase"
    use_shared_decoder: bool = False
    decoder_last_c_outer_fraction: float = 0.125
    decoder_last_amp_channels: int = 1
    use_legacy_decoder_channel_override: bool | None = None
    cbam_encoder: bool = True
    eca_encoder: bool = False
    cbam_bottleneck: bool = False


class TrainingSection(TorchSection):
    """`TrainingConfig`."""

    epochs: int = 50
    batch_size: int = 16
    nll: bool = True
    train_data_file: str | None = None
    test_data_file: str | None = None
    n_groups: int | None = None
    torch_loss_mode: Literal["poisson", "mae"] = "poisson"


class TorchConfig(TorchSection):
    """The sections of one network."""

    data_config: DataSection = Field(default_factory=DataSection)
    model_config_: ModelSection = Field(default_factory=ModelSection, alias="model_config")
    training_config: TrainingSection = Field(default_factory=TrainingSection)

    @property
    def model(self) -> ModelSection:
        return self.model_config_

    @property
    def gridsize(self) -> int:
        """Frames along the side of a group. UserError where groups are not square."""
        first, second = self.data_config.grid_size
        if first != second:
            what = f"groups of {first} x {second} frames are not square"
            raise UserError(what, where="grid_size", mend="Only square groups are supported")
        return first


def parse_torch(sections: Mapping[str, Any], where: str) -> TorchConfig:
    """The sections that are there, as plain data; UserError where a value has a wrong type."""
    try:
        return TorchConfig.model_validate(dict(sections))
    except ValidationError as error:
        what = f"not a configuration of PtychoPINN ({explain(error)})"
        mend = "Only configurations that PtychoPINN wrote can be read"
        raise UserError(what, where=where, mend=mend) from None


def torch_to_canonical(
    config: TorchConfig, kind: Kind, overrides: Mapping[str, Any] | None = None
) -> Canonical:
    """The canonical configuration; overrides, by canonical names, win over everything.

    Raises UserError where something upstream refuses: groups that are not square, unknown modes and
    activations, a dose that nobody set, and files or groups that must be given and are not.
    """
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    purpose = _training(config) if kind == "TrainingConfig" else _inference(config)
    values = {**_model(config), **purpose, **given}
    if kind == "TrainingConfig":
        _check_dose(values, given)
    _require(values, kind)
    return configured(kind, values)


def populate_torch(
    sections: Mapping[str, Any],
    kind: Kind = "TrainingConfig",
    overrides: Mapping[str, Any] | None = None,
) -> Values:
    """Fill params.cfg as `populate` does, from sections of the PyTorch lineage."""
    config = parse_torch(sections, "configuration of PtychoPINN")
    return fill(torch_to_canonical(config, kind, overrides), {})


def _model(config: TorchConfig) -> Values:
    model = config.model
    if model.mode not in MODES:
        mend = f"Write {' or '.join(MODES)}"
        raise UserError(f"unknown mode {model.mode!r}", where="model_config.mode", mend=mend)
    activation = ACTIVATIONS.get(model.amp_activation, model.amp_activation)
    if activation not in SUPPORTED:
        what, mend = f"unknown activation {model.amp_activation!r}", f"Write {', '.join(SUPPORTED)}"
        raise UserError(what, where="model_config.amp_activation", mend=mend)
    given = model.probe_mask if model.probe_mask_tensor is None else model.probe_mask_tensor
    return {
        "N": config.data_config.N,
        "gridsize": config.gridsize,
        "model_type": MODES[model.mode],
        "amp_activation": activation,
        "n_filters_scale": model.n_filters_scale,
        "object_big": model.object_big,
        "probe_big": model.probe_big,
        "pad_object": model.pad_object,
        "gaussian_smoothing_sigma": model.gaussian_smoothing_sigma,
        "probe_mask": given if isinstance(given, bool) else given is not None,
        "probe_scale": config.data_config.probe_scale,
    }


def _training(config: TorchConfig) -> Values:
    data, training = config.data_config, config.training_config
    return {
        "batch_size": training.batch_size,
        "nepochs": training.epochs,
        "mae_weight": 0.0,
        "nll_weight": 1.0 if training.nll else 0.0,
        "realspace_mae_weight": 0.0,
        "realspace_weight": 0.0,
        "neighbor_count": data.K,
        "nphotons": data.nphotons,
        "intensity_scale_trainable": config.model.intensity_scale_trainable,
        "train_data_file": training.train_data_file,
        "test_data_file": training.test_data_file,
        "n_groups": training.n_groups,
        "subsample_seed": data.subsample_seed,
        "torch_loss_mode": training.torch_loss_mode,
        "output_dir": "training_outputs",
        "backend": "pytorch",
        "positions_provided": True,
        "probe_trainable": False,
        "sequential_sampling": False,
    }


def _inference(config: TorchConfig) -> Values:
    return {
        "neighbor_count": config.data_config.K,
        "subsample_seed": config.data_config.subsample_seed,
        "n_groups": config.training_config.n_groups,
        "output_dir": "inference_outputs",
        "debug": False,
        "backend": "pytorch",
    }


def _check_dose(values: Values, given: Mapping[str, Any]) -> None:
    if values["nphotons"] == UNSET_DOSE and "nphotons" not in given:
        what = f"nphotons is still the default of {UNSET_DOSE:g}"
        raise UserError(what, where="data_config.nphotons", mend="Give the measured dose")


def _require(values: Values, kind: Kind) -> None:
    training = ("train_data_file", "n_groups")
    for name in training if kind == "TrainingConfig" else ("model_path", "test_data_file"):
        if values.get(name) is None:
            raise UserError(f"{kind} needs {name}", where=name, mend="Give it as an override")
    if kind == "InferenceConfig":
        _check_bundle(Path(str(values["model_path"])))
    elif values.get("test_data_file") is None:
        logger.warning("no test_data_file is given: PtychoPINN will have nothing to test on")


def _check_bundle(path: Path) -> None:
    """PtychoPINN looks for its bundle in a folder, in its place, or beside `wts.h5`."""
    if path.name not in (BUNDLE, BUNDLE.removesuffix(".zip")):
        path = path / BUNDLE
    if not path.with_name(BUNDLE).is_file():
        raise UserError(f"there is no {BUNDLE} here", where=str(path.parent), mend="Check the path")
