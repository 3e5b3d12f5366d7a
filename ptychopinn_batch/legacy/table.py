"""The one table between our settings, PtychoPINN's configuration classes and `params.cfg`.

Names and defaults are PtychoPINN's (https://github.com/hoidn/PtychoPINN, `ptycho/params.py` and
`ptycho/config/config.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from pydantic import Field, JsonValue

from ptychopinn_batch.jobspec import CnnSettings, Section, Train

Values = dict[str, JsonValue]

# params.cfg as PtychoPINN starts with it.
# fmt: off
DEFAULTS: Values = {
    "N": 128, "gridsize": 2, "offset": 4, "max_position_jitter": 10, "big_gridsize": 10,
    "outer_offset_train": None, "outer_offset_test": None, "nimgs_train": 9, "nimgs_test": 3,
    "size": 392, "data_source": "generic", "sim_jitter_scale": 0.0, "set_phi": False, "label": "",
    "batch_size": 16, "nepochs": 60, "nphotons": 1e9, "n_filters_scale": 2, "model_type": "pinn",
    "amp_activation": "sigmoid", "mae_weight": 0.0, "nll_weight": 1.0, "tv_weight": 0.0,
    "realspace_weight": 0.0, "realspace_mae_weight": 0.0, "intensity_scale.trainable": False,
    "positions.provided": False, "object.big": True, "pad_object": True, "probe.big": False,
    "probe.mask": True, "probe.trainable": False, "probe_scale": 10.0, "default_probe_scale": 0.7,
    "gaussian_smoothing_sigma": 0.0, "use_xla_translate": True, "output_prefix": "outputs",
    "h5_path": "wts.h5", "npseed": 42, "debug": True,
}
# fmt: on


SCHEDULERS: dict[JsonValue, JsonValue] = {
    "cosine": "WarmupCosine",
    "constant": "Default",
    "exponential": "Exponential",
    "plateau": "ReduceLROnPlateau",
}
"""Our kinds of schedules, as upstream says them."""


class Measured(Section):
    """What a scan store says of its frames."""

    frame_size: int = Field(gt=0)
    frames: int = Field(gt=0)
    photons: float = Field(gt=0)  # mean counts of a frame as measured, never a nominal dose


class LegacySettings(Section):
    """All that the table below takes from us. None: unknown here, PtychoPINN's default stays."""

    purpose: Literal["training", "inference"]
    backend: Literal["pytorch"] = "pytorch"
    data: Measured | None = None
    cnn: CnnSettings | None = None
    train: Train | None = None
    first_frames: int | None = None  # only so many frames of the scan are used
    seed: int | None = None
    train_file: str | None = None
    test_file: str | None = None
    model: str | None = None
    output: str | None = None

    @property
    def frame_size(self) -> int | None:
        """Side of a frame: of the data, else what the network is for."""
        return self.data.frame_size if self.data else self.cnn.n if self.cnn else None

    @property
    def model_type(self) -> str | None:
        """Supervised where the loss looks at objects alone."""
        return None if self.train is None or self.train.weights.frames else "supervised"

    @property
    def lowest_lr(self) -> float | None:
        """What a plateau's learning rate never falls below."""
        if self.train is None or self.train.schedule.kind != "plateau":
            return None
        return self.train.lr * self.train.schedule.last


def _weight_of(loss: str) -> Callable[[JsonValue], JsonValue]:
    return lambda ours: float(_loss_mode(ours) == loss)


def _loss_mode(ours: JsonValue) -> JsonValue:
    """Least squares on amplitudes has no name upstream: absolute differences are nearest."""
    return "poisson" if ours == "poisson" else "mae"


def _activation(ours: JsonValue) -> JsonValue:
    """A sigmoid is a sigmoid upstream, whatever its height."""
    return "sigmoid" if ours == "unit_sigmoid" else ours


def _power_of_two(ours: JsonValue) -> JsonValue:
    """The largest one up to a number, because upstream takes no other batch size."""
    assert isinstance(ours, int)
    return 1 << (ours.bit_length() - 1)


def _neighbours(gridsize: JsonValue) -> JsonValue:
    """At least as many as a group holds frames."""
    assert isinstance(gridsize, int)
    return max(4, gridsize**2)


class Row(NamedTuple):
    """A field of PtychoPINN's configuration: its class, name and default, its key in params.cfg if
    that is another, the setting of ours it takes, and how it is said upstream."""

    classes: tuple[str, ...]
    field: str
    default: JsonValue
    renamed: str = ""
    ours: str = ""
    rule: Callable[[JsonValue], JsonValue] | None = None

    @property
    def key(self) -> str:
        return self.renamed or self.field

    def value(self, settings: LegacySettings) -> JsonValue:
        """What the settings say of it; None where they say nothing."""
        found: Any = settings if self.ours else None
        for name in filter(None, self.ours.split(".")):
            found = getattr(found, name, None)
        return found if found is None or self.rule is None else self.rule(found)


MODEL, TRAINING, INFERENCE = ("ModelConfig",), ("TrainingConfig",), ("InferenceConfig",)
BOTH = TRAINING + INFERENCE

TABLE = (
    Row(MODEL, "N", 64, ours="frame_size"),
    Row(MODEL, "gridsize", 1, ours="cnn.gridsize"),
    Row(MODEL, "n_filters_scale", 2, ours="cnn.filters_scale"),
    Row(MODEL, "model_type", "pinn", ours="model_type"),
    Row(MODEL, "amp_activation", "sigmoid", ours="cnn.amplitude_activation", rule=_activation),
    Row(MODEL, "object_big", True, "object.big", ours="cnn.object_big"),
    Row(MODEL, "probe_big", True, "probe.big", ours="cnn.probe_big"),
    Row(MODEL, "probe_mask", False, "probe.mask"),
    Row(MODEL, "pad_object", True),
    Row(MODEL, "probe_scale", 4.0),
    Row(MODEL, "gaussian_smoothing_sigma", 0.0),
    Row(MODEL, "architecture", "cnn"),
    Row(MODEL, "fno_modes", 12),
    Row(MODEL, "fno_width", 32),
    Row(MODEL, "fno_blocks", 4),
    Row(MODEL, "fno_cnn_blocks", 2),
    Row(MODEL, "learned_input_channels", 1),
    Row(MODEL, "max_hidden_channels", None),
    Row(MODEL, "resnet_width", None),
    Row(MODEL, "fno_input_transform", "none"),
    Row(MODEL, "generator_output_mode", "real_imag"),
    Row(MODEL, "probe_mask_sigma", 1.0),
    Row(MODEL, "probe_mask_diameter", None),
    Row(TRAINING, "train_data_file", None, "train_data_file_path", ours="train_file"),
    Row(BOTH, "test_data_file", None, "test_data_file_path", ours="test_file"),
    Row(TRAINING, "batch_size", 16, ours="train.frames_per_region", rule=_power_of_two),
    Row(TRAINING, "nepochs", 50, ours="train.epochs"),
    Row(TRAINING, "mae_weight", 0.0, ours="train.loss", rule=_weight_of("mae")),
    Row(TRAINING, "nll_weight", 1.0, ours="train.loss", rule=_weight_of("poisson")),
    Row(TRAINING, "realspace_mae_weight", 0.0),
    Row(TRAINING, "realspace_weight", 0.0),
    Row(TRAINING, "nphotons", 1e9, ours="data.photons"),
    Row(TRAINING, "n_groups", 512, ours="data.frames"),  # every frame begins a group
    Row(INFERENCE, "n_groups", None, ours="data.frames"),
    Row(BOTH, "n_images", None),
    Row(BOTH, "n_subsample", None, ours="first_frames"),
    Row(BOTH, "subsample_seed", None, ours="seed"),
    Row(BOTH, "neighbor_count", 4, ours="cnn.gridsize", rule=_neighbours),
    Row(BOTH, "neighbor_pool_size", None),
    Row(BOTH, "enable_oversampling", False),
    Row(TRAINING, "positions_provided", True, "positions.provided"),
    Row(TRAINING, "probe_trainable", False, "probe.trainable"),
    Row(TRAINING, "intensity_scale_trainable", True, "intensity_scale.trainable"),
    Row(TRAINING, "output_dir", "training_outputs", "output_prefix", ours="output"),
    Row(INFERENCE, "output_dir", "inference_outputs", "output_prefix", ours="output"),
    Row(TRAINING, "sequential_sampling", False),
    Row(BOTH, "backend", "tensorflow", ours="backend"),
    Row(TRAINING, "torch_loss_mode", "poisson", ours="train.loss", rule=_loss_mode),
    Row(TRAINING, "torch_mae_pred_l2_match_target", False),
    Row(TRAINING, "gradient_clip_val", None, ours="train.clip_norm"),
    Row(TRAINING, "gradient_clip_algorithm", "norm"),
    Row(TRAINING, "optimizer", "adam", ours="train.weight_decay", rule=lambda _: "adamw"),
    Row(TRAINING, "momentum", 0.9),
    Row(TRAINING, "weight_decay", 0.0, ours="train.weight_decay"),
    Row(TRAINING, "adam_beta1", 0.9),
    Row(TRAINING, "adam_beta2", 0.999),
    Row(TRAINING, "scheduler", "Default", ours="train.schedule.kind", rule=SCHEDULERS.get),
    Row(TRAINING, "lr_warmup_epochs", 0),
    Row(TRAINING, "lr_min_ratio", 0.1, ours="train.schedule.last"),
    Row(TRAINING, "plateau_factor", 0.5, ours="train.schedule.factor"),
    Row(TRAINING, "plateau_patience", 2, ours="train.schedule.patience"),
    Row(TRAINING, "plateau_min_lr", 5e-5, ours="lowest_lr"),
    Row(TRAINING, "plateau_threshold", 0.0, ours="train.schedule.threshold"),
    Row(INFERENCE, "model_path", None, ours="model"),
    Row(INFERENCE, "debug", False),
)
