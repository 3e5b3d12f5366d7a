"""A configuration of PtychoPINN by its own field names, and the keys of `params.cfg` it becomes.

Fields of `ModelConfig` have other names than those of `TrainingConfig` and `InferenceConfig`, so
that one set of values holds a whole configuration.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from hpc.errors import UserError
from ptychopinn_batch.legacy.table import DEFAULTS, MODEL, TABLE, LegacySettings, Row, Values

Kind = Literal["TrainingConfig", "InferenceConfig"]

# fmt: off
CHOICES: dict[str, tuple[str, ...]] = {
    "data_source": (
        "lines", "grf", "experimental", "points", "testimg", "diagonals", "xpp", "V", "generic"
    ),
    "model_type": ("pinn", "supervised"),
    "amp_activation": ("sigmoid", "swish", "softplus", "relu"),
    "architecture": ("cnn", "ffno", "fno", "fno_vanilla", "neuralop_uno"),
    "backend": ("tensorflow", "pytorch"),
    "torch_loss_mode": ("poisson", "mae"),
    "gradient_clip_algorithm": ("norm", "value", "agc"),
    "optimizer": ("adam", "adamw", "sgd"),
    "scheduler": ("Default", "Exponential", "WarmupCosine", "ReduceLROnPlateau"),
}
# fmt: on
POSITIVE = "N", "gridsize", "n_filters_scale", "probe_scale", "nepochs", "nphotons"
SHARES = "mae_weight", "nll_weight"


class Canonical(NamedTuple):
    """What is set of a configuration, by field name; all other fields have their defaults."""

    kind: Kind
    values: Values

    def fields(self, *classes: str) -> Values:
        """What is set of some of PtychoPINN's classes."""
        names = {row.field for row in TABLE if set(classes) & set(row.classes)}
        return {name: value for name, value in self.values.items() if name in names}

    def flattened(self) -> Values:
        """All of it in the keys of params.cfg. None never clears, so it is left out."""
        rows = rows_of(self.kind)
        values = {row.key: self.values.get(row.field, row.default) for row in rows}
        return {key: value for key, value in values.items() if value is not None}


def rows_of(kind: Kind) -> tuple[Row, ...]:
    """The fields of a configuration and of the model in it."""
    return tuple(row for row in TABLE if {*MODEL, kind} & set(row.classes))


def canonical(settings: LegacySettings) -> Canonical:
    """What our settings are upstream."""
    kind: Kind = "TrainingConfig" if settings.purpose == "training" else "InferenceConfig"
    rows = ((row.field, row.value(settings)) for row in rows_of(kind))
    return Canonical(kind, {field: value for field, value in rows if value is not None})


def configured(kind: Kind, values: Mapping[str, Any]) -> Canonical:
    """A configuration given by PtychoPINN's own names. UserError for unknown ones.

    `n_images`, the older name of `n_groups`, is taken for it, with a DeprecationWarning.
    """
    known = {row.field for row in rows_of(kind)}
    for name in values.keys() - known:
        near = difflib.get_close_matches(name, known, 1)
        mend = f"Did you mean {near[0]}?" if near else "Remove it"
        raise UserError(f"{kind} has no field {name!r}", where=name, mend=mend)
    given = {name: value for name, value in values.items() if value is not None}
    if "n_images" in given:
        warnings.warn("n_images is now called n_groups", DeprecationWarning, stacklevel=2)
        given.setdefault("n_groups", given.pop("n_images"))
    return Canonical(kind, given)


def derived(values: Mapping[str, Any]) -> Values:
    """Canvas sizes that PtychoPINN computes from params.cfg when asked for them."""
    spread = (values["gridsize"] - 1) * values["offset"]
    big, jitter = values["N"] + spread, values["max_position_jitter"]
    return {"bigN": big, "padding_size": spread + jitter, "padded_size": big + jitter}


def refusals(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Broken rules of params.cfg: key, and what a value must be."""
    for key in POSITIVE:
        if not values[key] > 0:
            yield key, "above 0"
    for key in SHARES:
        if not 0 <= values[key] <= 1:
            yield key, "from 0 to 1"
    for key, choices in CHOICES.items():
        if key in values and values[key] not in choices:
            yield key, f"one of {', '.join(choices)}"
    if values["realspace_mae_weight"] > 0 and not values["realspace_weight"] > 0:
        yield "realspace_weight", "above 0 where realspace_mae_weight is"
    if values["gaussian_smoothing_sigma"] < 0:
        yield "gaussian_smoothing_sigma", "0 or above"
    if values["batch_size"] < 1 or values["batch_size"].bit_count() != 1:
        yield "batch_size", "a power of two"
    if values.get("neighbor_count", math.inf) < values["gridsize"] ** 2:
        yield "neighbor_count", "at least gridsize^2"


def check(values: Mapping[str, Any]) -> None:
    """Raise UserError for the first broken rule of params.cfg."""
    values = {**DEFAULTS, **values}
    for key, rule in refusals(values):
        raise UserError(f"is {values[key]!r}, but must be {rule}", where=f"params.cfg {key}")
