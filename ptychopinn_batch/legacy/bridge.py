"""Filling `params.cfg`: PtychoPINN's own where it can be imported, else ours with its rules."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import logging
import math
from pathlib import Path
from types import ModuleType
from typing import Any

from hpc.errors import UserError
from ptychopinn_batch.legacy.canonical import Canonical, canonical, check, derived
from ptychopinn_batch.legacy.table import DEFAULTS, LegacySettings, Measured, Values

PATHS = "train_data_file", "test_data_file", "model_path", "output_dir"  # pathlib.Path upstream

logger = logging.getLogger(__name__)
cfg: Values = dict(DEFAULTS)  # stands for ptycho.params.cfg where that cannot be imported


def dose(data: Measured | None) -> Values:
    """The measured dose, and the intensity scale that a network starts from: sqrt(dose) / (N/2)."""
    if data is None:
        return {}
    return {"nphotons": data.photons, "intensity_scale": scale_of(data.photons, data.frame_size)}


def scale_of(photons: float, n: int) -> float:
    """PtychoPINN's intensity scale of frames of n x n pixels with so many photons."""
    return 2 * math.sqrt(photons) / n


def populate(settings: LegacySettings) -> Values:
    """Fill PtychoPINN's dictionary where it can be imported, else ours; returns all of it.

    With the derived values, without what JSON cannot hold. Settings that are None leave what was
    there. Raises UserError, and changes nothing, when the result would break a rule.
    """
    _check_group(settings)
    return fill(canonical(settings), dose(settings.data))


def fill(config: Canonical, later: Values) -> Values:
    """The same from a configuration, and what PtychoPINN writes into params.cfg after it."""
    upstream = _upstream()
    target: dict[str, Any] = upstream[0].cfg if upstream else cfg
    check({**DEFAULTS, **target, **config.flattened(), **later})
    if upstream:
        _through_upstream(*upstream, config)
    else:
        cfg.update(config.flattened())
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


def _through_upstream(params: ModuleType, config: ModuleType, ours: Canonical) -> None:
    """Fill its params.cfg by its own bridge. Fields that its version does not have are left out."""
    model = _instance(config.ModelConfig, ours.fields("ModelConfig"))
    whole = _instance(getattr(config, ours.kind), {**ours.fields(ours.kind), "model": model})
    config.update_legacy_dict(params.cfg, whole)


def _instance(cls: type[Any], values: Values) -> Any:
    known = {field.name for field in dataclasses.fields(cls)}
    given = {k: Path(str(v)) if k in PATHS else v for k, v in values.items() if k in known}
    return cls(**given)


def _as_json(values: dict[str, Any]) -> Values:
    """What of a dictionary JSON holds; paths as text."""
    plain = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
    return {k: v for k, v in plain.items() if v is None or isinstance(v, bool | int | float | str)}
