"""Networks that PtychoPINN trained: its bundles and checkpoints as networks of ours.

Both are pickles in part. They are read without running anything that they name (`plainpickle`),
and still only when the user says that the file is to be trusted: no hash vouches for it. Weights
are matched one to one; a network that ours cannot be in every detail is refused.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from hpc.errors import UserError
from hpc.record import explain
from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.legacy import plainpickle
from ptychopinn_batch.legacy.bundle import MANIFEST, PARAMS, VERSION, WEIGHTS
from ptychopinn_batch.legacy.metadata import DOMAIN, METADATA
from ptychopinn_batch.legacy.torchconfig import ModelSection, TorchConfig, parse_torch
from ptychopinn_batch.legacy.weights import THEIRS, from_upstream

if TYPE_CHECKING:
    from torch import Tensor

    from ptychopinn_batch.networks.cnn import Cnn

LARGEST = 2**32  # bytes of a member: no network of PtychoPINN is near, a bomb may be
ROLE = "diffraction_to_obj"
MEND = "Only PtychoPINN's own convolutional network without changes can be read"
AGAIN = "Copy the file again, or save the network with PtychoPINN again"
KINDS = "Name a wts.h5.zip or a .ckpt of PtychoPINN"
ACTIVATIONS = {
    "sigmoid": "unit_sigmoid",
    **dict.fromkeys(("silu", "SiLU", "swish"), "swish"),
}


@dataclass(frozen=True)
class Foreign:
    """What was found in a file: weights by upstream's names, and the configuration they are for.

    domain: what the network takes in, where the file says it.
    """

    weights: Mapping[str, Tensor]
    config: TorchConfig
    domain: str | None


def read_foreign(
    path: Path, *, trust: bool, measurement: Literal["amplitude", "counts"] | None = None
) -> Cnn:
    """The network in a `wts.h5.zip` or `*.ckpt`, in evaluation mode on the CPU.

    measurement: what it takes in, needed where the file does not say it. Raises UserError without
    `trust`, and for all that is no such network.
    """
    from ptychopinn_batch.networks.cnn import Cnn

    if not trust:
        what = "this file is pickled, and nothing vouches for what is in it"
        mend = "Give --trust if you know where it comes from; nothing in it will be run"
        raise UserError(what, where=str(path), mend=mend)
    found = _read(path)
    _check_domain(found, measurement, path)
    settings = settings_of(found.config, str(path))
    network = Cnn(settings)
    network.load_state_dict(from_upstream(found.weights, settings, str(path)), strict=True)
    return network.eval()


def settings_of(config: TorchConfig, where: str) -> CnnSettings:
    """The network of ours that is the one configured; UserError where there is none."""
    for what in _obstacles(config.model):
        raise UserError(what, where=where, mend=MEND)
    model, side = config.model, config.gridsize
    group = side**2 if model.object_big else 1
    override = model.use_legacy_decoder_channel_override
    shared = override is not False and group > 1 and model.decoder_last_amp_channels == 1
    settings = {
        "n": config.data_config.N,
        "gridsize": side,
        "lineage": _lineage(model, group, where),
        "filters_scale": model.n_filters_scale,
        "amplitude_activation": ACTIVATIONS[model.amp_activation],
        "shared_amplitude": shared,
        "input": "amplitude",
        "border_activation": "swish",
        "probe_big": model.probe_big,
        "cbam": model.cbam_encoder,
        "object_big": model.object_big,
    }
    try:
        return CnnSettings.model_validate(settings)
    except ValidationError as error:
        what = f"no such network of ours ({explain(error)})"
        raise UserError(what, where=where, mend=MEND) from None


def _lineage(model: ModelSection, group: int, where: str) -> str:
    """Whose layer table: by the channels kept for the border, and whether it is masked at all."""
    if model.use_legacy_decoder_channel_override is False:
        return "head"
    trunk = 32 * model.n_filters_scale
    outer = max(1, int(trunk * min(0.5, max(0.0, model.decoder_last_c_outer_fraction))))
    if model.use_legacy_decoder_channel_override is None:
        known = {4 * model.n_filters_scale: "torch"}
    else:
        known = {4: "tf", group: "head"}
    if outer not in known:
        what = f"its decoders keep {outer} channels for the border, expected {min(known)}"
        raise UserError(what, where=where, mend=MEND)
    return known[outer]


def _obstacles(model: ModelSection) -> Iterator[str]:
    """What in a network has no place in ours."""
    if model.architecture != "cnn":
        yield f"its architecture is {model.architecture!r}, not 'cnn'"
    if model.mode != "Unsupervised":
        yield f"it was trained in the mode {model.mode!r}"
    if model.cnn_output_mode != "amp_phase":
        yield f"it puts out {model.cnn_output_mode!r}, not amplitude and phase"
    if model.amp_activation not in ACTIVATIONS:
        yield f"the function of its amplitude is {model.amp_activation!r}"
    for name in ("batch_norm", "use_shared_decoder", "eca_encoder", "cbam_bottleneck"):
        if getattr(model, name):
            yield f"it has {name}"


def _check_domain(found: Foreign, measurement: str | None, path: Path) -> None:
    domain = found.domain or {"amplitude": DOMAIN, "counts": "counts"}.get(measurement or "")
    if domain is None:
        what = "this file does not say whether its network takes in amplitudes or counts"
        mend = "Give --input amplitude if it was trained on amplitudes"
        raise UserError(what, where=str(path), mend=mend)
    if domain != DOMAIN:
        what = f"its network takes in {domain.replace('_', ' ')}, ours amplitudes"
        raise UserError(what, where=str(path), mend="There is no way to use it here")


def _read(path: Path) -> Foreign:
    try:
        with zipfile.ZipFile(path) as archive:
            if MANIFEST in archive.namelist():
                return _bundle(archive, path)
        return _checkpoint(path)
    except UserError:
        raise
    except zipfile.BadZipFile:
        what = "this is neither a whole bundle nor a whole checkpoint of PtychoPINN"
        raise UserError(what, where=str(path), mend=KINDS) from None
    except OSError as error:
        what = f"this file cannot be read ({error})"
        raise UserError(what, where=str(path), mend="Check the path") from None
    except Exception as error:  # damaged pickles and archives raise nearly anything
        what = f"this file is damaged ({type(error).__name__}: {error})"
        raise UserError(what, where=str(path), mend=AGAIN) from None


def _bundle(archive: zipfile.ZipFile, path: Path) -> Foreign:
    manifest = plainpickle.load_inert(_member(archive, MANIFEST))
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if version != VERSION:
        mend = f"Only bundles of PtychoPINN's PyTorch code, version {VERSION!r}, can be read"
        raise UserError(f"this bundle has version {version!r}", where=str(path), mend=mend)
    params = plainpickle.load_inert(_member(archive, f"{ROLE}/{PARAMS}"))
    weights = _tensors(_load(_member(archive, f"{ROLE}/{WEIGHTS}")), path)
    if METADATA in archive.namelist():
        sections = _load(_member(archive, METADATA))
        config = parse_torch(_plain(sections), str(path))
        return Foreign(weights, config, config.data_config.measurement_domain or "unknown numbers")
    return Foreign(weights, _from_params(params, weights, path), DOMAIN)


def _from_params(params: Any, weights: Mapping[str, Tensor], path: Path) -> TorchConfig:
    """A network of November 2025, when params.cfg and the weights themselves were all there was."""
    if not isinstance(params, dict) or not {"N", "gridsize"} <= params.keys():
        raise UserError("its params.dill names no N and gridsize", where=str(path), mend=AGAIN)
    side, scale = params["gridsize"], params.get("n_filters_scale", 2)
    outer = _shape(weights, "decoder_amp.amp.conv_up_block.conv1.weight", path)[1]
    model = {
        "n_filters_scale": scale,
        "amp_activation": params.get("amp_activation", "silu"),
        "mode": "Unsupervised" if params.get("model_type") == "pinn" else "Supervised",
        "object_big": params.get("object.big", True),
        "probe_big": params.get("probe.big", True),
        "cbam_encoder": any(".attention." in name for name in weights),
        "decoder_last_c_outer_fraction": (outer + 0.5) / (32 * scale),
        "decoder_last_amp_channels": _shape(weights, "decoder_amp.amp.conv1.weight", path)[0],
    }
    data = {"N": params["N"], "C": side**2, "grid_size": (side, side)}
    return parse_torch({"data_config": data, "model_config": model}, str(path))


def _shape(weights: Mapping[str, Tensor], name: str, path: Path) -> tuple[int, ...]:
    if f"{THEIRS}{name}" not in weights:
        raise UserError(f"this network lacks {THEIRS}{name}", where=str(path), mend=MEND)
    return tuple(weights[f"{THEIRS}{name}"].shape)


def _checkpoint(path: Path) -> Foreign:
    content = _load(path.read_bytes())
    if not isinstance(content, dict) or "state_dict" not in content:
        raise UserError("this is no Lightning checkpoint", where=str(path), mend=KINDS)
    sections = content.get("hyper_parameters")
    if not isinstance(sections, dict) or "model_config" not in sections:
        what = "this checkpoint does not hold the configuration of its network"
        mend = "Only checkpoints that PtychoPINN wrote can be read"
        raise UserError(what, where=str(path), mend=mend)
    config = parse_torch(_plain(sections), str(path))
    weights = _tensors(content["state_dict"], path)
    return Foreign(weights, config, config.data_config.measurement_domain)


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        what = f"this bundle lacks {name}"
        raise UserError(what, where=str(archive.filename), mend=AGAIN) from None
    if info.file_size > LARGEST:
        what = f"its {name} would take {info.file_size / 1e9:.1f} GB"
        mend = "Look where the file comes from: no network of PtychoPINN is as large"
        raise UserError(what, where=str(archive.filename), mend=mend)
    return archive.read(info)


def _load(data: bytes) -> Any:
    import torch

    return torch.load(
        io.BytesIO(data), map_location="cpu", pickle_module=plainpickle, weights_only=False
    )


def _plain(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The sections we know, without what was no plain value in them."""
    names = ("data_config", "model_config", "training_config")
    return {name: sections[name] for name in names if isinstance(sections.get(name), dict)}


def _tensors(weights: Any, path: Path) -> dict[str, Tensor]:
    """The autoencoder's tensors of a state dict; the rest is the scale of its physics."""
    import torch

    if not isinstance(weights, dict) or "_sentinel" in weights:
        raise UserError("it holds no weights", where=str(path), mend=AGAIN)
    own = {name: value for name, value in weights.items() if str(name).startswith(THEIRS)}
    if not own or not all(isinstance(value, torch.Tensor) for value in own.values()):
        raise UserError(f"it holds no weights of {THEIRS.rstrip('.')}", where=str(path), mend=MEND)
    return own
