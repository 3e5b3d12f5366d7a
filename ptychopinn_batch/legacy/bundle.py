"""`wts.h5.zip`: a `cnn` network as PtychoPINN's PyTorch code keeps and loads it.

    manifest.dill                    {"models": [both roles], "version": "2.0-pytorch"}
    autoencoder/model.pth            the weights, as a state dict
    autoencoder/params.dill          params.cfg, intensity_scale and _version
    diffraction_to_obj/...           the same again
    torch_scaling_metadata.pt        the exact configuration (schema ci-entrypoints-v1)

The `.dill` files are pickles, because their reader expects them; they hold plain values alone, no
opcode in them can call anything, and no dill is needed to write or to read them.

Which of upstream's programs loads it follows from `model.cnn.lineage`: `torch` the one of November
2025, which knows no metadata; `tf` and `head` the main branch of 2026, which rebuilds the network
from the metadata and loads strictly.

Upstream's border ends in swish and its sigmoid at 1. Where ours do not, the border's weights are
there, but switched off (`probe_big`): upstream's stitching leaves the border out in any case.
"""

from __future__ import annotations

import io
import logging
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hpc.errors import StateError, UserError
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.legacy.bridge import scale_of
from ptychopinn_batch.legacy.canonical import canonical
from ptychopinn_batch.legacy.metadata import (
    ACTIVATIONS,
    METADATA,
    UNKNOWN_DOSE,
    has_same_border,
    metadata,
)
from ptychopinn_batch.legacy.plainpickle import dump_plain
from ptychopinn_batch.legacy.table import DEFAULTS, LegacySettings, Values
from ptychopinn_batch.legacy.weights import THEIRS, from_upstream, to_upstream

if TYPE_CHECKING:
    from torch import Tensor

ROLES = "autoencoder", "diffraction_to_obj"
VERSION = "2.0-pytorch"
MANIFEST, PARAMS, WEIGHTS = "manifest.dill", "params.dill", "model.pth"
SIDES = 64, 128, 256  # of frames that upstream has layer tables for
AGAIN = "Get the package again, or export its network again"
CREATED = 1980, 1, 1, 0, 0, 0  # the same bytes whenever it is written
logger = logging.getLogger(__name__)

Weights: TypeAlias = "Mapping[str, Tensor]"


def write_bundle(
    path: Path, settings: CnnSettings, weights: Weights, *, photons: float | None
) -> None:
    """Write a network; `photons`: mean counts of the frames it learned from, if known.

    Raises UserError where upstream has no such network.
    """
    check_bundle(settings)
    for note in _notes(settings):
        logger.warning("%s: %s", path, note)
    with whole_file(path) as new, zipfile.ZipFile(new, "x") as archive:
        for name, data in _members(settings, weights, photons):
            archive.writestr(zipfile.ZipInfo(name, CREATED), data)  # weights do not compress


def read_own_bundle(path: Path, settings: CnnSettings) -> dict[str, Tensor]:
    """The weights of a bundle that `write_bundle` wrote for these settings; else StateError."""
    import torch

    found: list[dict[str, Tensor]] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for role in ROLES:
                data = io.BytesIO(archive.read(f"{role}/{WEIGHTS}"))
                found.append(torch.load(data, map_location="cpu", weights_only=True))
    except (zipfile.BadZipFile, KeyError, RuntimeError, pickle.UnpicklingError, OSError) as error:
        what = f"this bundle is damaged ({error})"
        raise StateError(what, where=str(path), mend=AGAIN) from error
    first, second = (_autoencoder(weights) for weights in found)
    if first.keys() != second.keys() or any((first[k] != second[k]).any() for k in first):
        raise StateError("its two roles hold different weights", where=str(path), mend=AGAIN)
    return from_upstream(first, settings, str(path))


def check_bundle(settings: CnnSettings) -> None:
    """Raise UserError unless upstream can hold such a network."""
    for key, what, mend in _obstacles(settings):
        raise UserError(what, where=f"model.cnn.{key}", mend=f"{mend}, or leave bundle out")


def _notes(settings: CnnSettings) -> Iterator[str]:
    """In what the network that PtychoPINN has is not quite ours."""
    if settings.amplitude_activation == "sigmoid":
        yield (
            "amplitudes come out halved in PtychoPINN, whose sigmoid ends at 1; with "
            "amplitude_activation: unit_sigmoid or swish they do not"
        )
    if settings.probe_big and not has_same_border(settings):
        yield (
            "the border of patches is switched off in PtychoPINN, where it always ends in swish; "
            "with border_activation: swish, and unit_sigmoid or swish for amplitudes, it is not"
        )


def _obstacles(settings: CnnSettings) -> Iterator[tuple[str, str, str]]:
    if settings.n not in SIDES:
        what = f"PtychoPINN has no layers for frames of {settings.n} pixels"
        yield "n", what, f"Take frames of {', '.join(map(str, SIDES))}"
    if settings.input != "amplitude":
        what = "PtychoPINN's network sees amplitudes as they are, this one less an empty sample's"
        yield "input", what, "Take amplitude"
    if settings.output != "amplitude_phase":
        what = "PtychoPINN's real and imaginary parts have other ranges than ours"
        yield "output", what, "Take amplitude_phase"
    function = settings.amplitude_activation
    if function not in ACTIVATIONS:
        what = f"PtychoPINN's PyTorch code has no {function!r}"
        yield "amplitude_activation", what, f"Take one of {', '.join(ACTIVATIONS)}"
    if settings.lineage != "torch":
        return
    if settings.cbam:
        what = "a bundle cannot tell PtychoPINN of attention in networks of the lineage torch"
        yield "cbam", what, "Take the lineage head"
    if settings.group > 1 and not settings.shared_amplitude:
        what = "PtychoPINN of the lineage torch has one amplitude for all frames of a group"
        yield "shared_amplitude", what, "Take true, or the lineage head"


def _members(
    settings: CnnSettings, weights: Weights, photons: float | None
) -> Iterator[tuple[str, bytes]]:
    yield MANIFEST, dump_plain({"models": list(ROLES), "version": VERSION})
    network = _saved(_state(settings, weights))
    params = dump_plain(bundle_params(settings, photons))
    for role in ROLES:
        yield f"{role}/{WEIGHTS}", network
        yield f"{role}/{PARAMS}", params
    if settings.lineage != "torch":
        yield METADATA, _saved(metadata(settings, photons))


def _state(settings: CnnSettings, weights: Weights) -> dict[str, Tensor]:
    """The whole state dict; the main branch has four scalars of its physics in it besides."""
    import torch

    state = to_upstream(weights, settings)
    if settings.lineage != "torch":
        scalars = ("alpha", "beta", "rect_scaler.s1", "rect_scaler.s2")
        state |= {f"model.forward_model.{name}": torch.ones(1) for name in scalars}
    return state


def _autoencoder(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if name.startswith(THEIRS)}


def _saved(value: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def bundle_params(settings: CnnSettings, photons: float | None) -> Values:
    """params.cfg as it is kept in a bundle: what the network is, and the scale of its frames."""
    seen = settings.model_copy(update={"probe_big": has_same_border(settings)})
    config = canonical(LegacySettings(purpose="training", cnn=seen))
    dose = UNKNOWN_DOSE if photons is None else photons
    return {
        **{key: value for key, value in DEFAULTS.items() if value is not None},
        **config.flattened(),
        "nphotons": dose,
        "intensity_scale": scale_of(dose, settings.n),
        "_version": VERSION,
    }
