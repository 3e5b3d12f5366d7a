"""Filling `params.cfg`: PtychoPINN's own where it can be imported, else ours with its rules."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from hpc.errors import UserError
from ptychopinn_batch.legacy.table import DEFAULTS, MODEL, TABLE, LegacySettings, Measured, Values

SOURCES = "lines", "grf", "experimental", "points", "testimg", "diagonals", "xpp", "V", "generic"
PATHS = "train_data_file", "test_data_file", "model_path", "output_dir"  # pathlib.Path upstream

logger = logging.getLogger(__name__)
cfg: Values = dict(DEFAULTS)  # stands for ptycho.params.cfg where that cannot be imported


def fields(settings: LegacySettings, classes: tuple[str, ...]) -> Values:
    """What we set of a configuration class, by its own field names."""
    rows = ((row.field, row.value(settings)) for row in TABLE if set(classes) & set(row.classes))
    return {field: value for field, value in rows if value is not None}


def flattened(settings: LegacySettings) -> Values:
    """The whole configuration in the keys of params.cfg. None never clears, so it is left out."""
    classes = {*MODEL, _class_of(settings)}
    rows = [row for row in TABLE if classes & set(row.classes)]
    values = {row.key: row.default for row in rows}
    values |= {row.key: value for row in rows if (value := row.value(settings)) is not None}
    return {key: value for key, value in values.items() if value is not None}


def _class_of(settings: LegacySettings) -> str:
    return "TrainingConfig" if settings.purpose == "training" else "InferenceConfig"


def derived(values: Mapping[str, Any]) -> Values:
    """Canvas sizes that PtychoPINN computes from params.cfg when asked for them."""
    spread = (values["gridsize"] - 1) * values["offset"]
    big, jitter = values["N"] + spread, values["max_position_jitter"]
    return {"bigN": big, "padding_size": spread + jitter, "padded_size": big + jitter}


def dose(data: Measured | None) -> Values:
    """The measured dose, and the intensity scale that a network starts from: sqrt(dose) / (N/2)."""
    if data is None:
        return {}
    scale = 2 * math.sqrt(data.photons) / data.frame_size
    return {"nphotons": data.photons, "intensity_scale": scale}


def refusals(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Broken rules of params.cfg: key, and what a value must be."""
    for key in ("N", "gridsize", "n_filters_scale", "probe_scale", "nepochs", "nphotons"):
        if not values[key] > 0:
            yield key, "above 0"
    for key in ("mae_weight", "nll_weight"):
        if not 0 <= values[key] <= 1:
            yield key, "from 0 to 1"
    if values["data_source"] not in SOURCES:
        yield "data_source", f"one of {', '.join(SOURCES)}"
    if values["realspace_mae_weight"] > 0 and not values["realspace_weight"] > 0:
        yield "realspace_weight", "above 0 where realspace_mae_weight is"
    if values["gaussian_smoothing_sigma"] < 0:
        yield "gaussian_smoothing_sigma", "0 or above"
    if values["batch_size"] < 1 or values["batch_size"].bit_count() != 1:
        yield "batch_size", "a power of two"
    if values.get("neighbor_count", math.inf) < values["gridsize"] ** 2:
        yield "neighbor_count", "at least gridsize^2"


def check(values: Mapping[str, Any]) -> None:
    """Raise UserError for the first broken rule."""
    for key, rule in refusals(values):
        raise UserError(f"is {values[key]!r}, but must be {rule}", where=f"params.cfg {key}")


def populate(settings: LegacySettings) -> Values:
    """Fill PtychoPINN's dictionary where it can be imported, else ours; returns all of it.

    With the derived values, without what JSON cannot hold. Settings that are None leave what was
    there. Raises UserError, and changes nothing, when the result would break a rule.
    """
    _check_group(settings)
    upstream, later = _upstream(), dose(settings.data)
    target: dict[str, Any] = upstream[0].cfg if upstream else cfg
    check({**DEFAULTS, **target, **flattened(settings), **later})
    if upstream:
        _through_upstream(*upstream, settings)
    else:
        cfg.update(flattened(settings))
        cfg.update(derived(cfg))
    target.update(later)
    return _as_json({**target, **derived({**DEFAULTS, **target})})


def _check_group(settings: LegacySettings) -> None:
    if settings.data and settings.cnn and settings.data.frames < settings.cnn.group:
        what = f"a group has {settings.cnn.group} frames, the scan only {settings.data.frames}"
        raise UserError(what, where="model.cnn.gridsize", mend="Write a smaller gridsize")


def _upstream() -> tuple[ModuleType, ModuleType] | None:
    """PtychoPINN's modules of params.cfg and of its configuration classes."""
    if importlib.util.find_spec("ptycho") is None:
        return None
    try:
        names = ("ptycho.params", "ptycho.config.config")
        params, config = (importlib.import_module(name) for name in names)
    except ImportError as error:
        logger.warning("ptycho is installed but cannot be imported (%s); using our own", error)
        return None
    return params, config


def _through_upstream(params: ModuleType, config: ModuleType, settings: LegacySettings) -> None:
    """Fill its params.cfg by its own bridge. Fields that its version does not have are left out."""
    model = _instance(config.ModelConfig, fields(settings, MODEL))
    name = _class_of(settings)
    whole = _instance(getattr(config, name), {**fields(settings, (name,)), "model": model})
    config.update_legacy_dict(params.cfg, whole)


def _instance(cls: type[Any], values: Mapping[str, Any]) -> Any:
    known = {field.name for field in dataclasses.fields(cls)}
    values = {k: Path(v) if k in PATHS else v for k, v in values.items() if k in known}
    return cls(**values)


def _as_json(values: Mapping[str, Any]) -> Values:
    """What of a dictionary JSON holds; paths as text."""
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
    return {k: v for k, v in plain.items() if v is None or isinstance(v, bool | int | float | str)}
