"""Model packages: a folder of `model.pth` (tensors alone) and the `manifest.json` that explains it.

Nothing in a package is a pickle of code: weights load with `weights_only=True`, all else is JSON.
Loading checks every hash and is strict; a package that is not what its manifest says is refused.
Only what touches weights imports torch.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, Field, JsonValue, ValidationError

from hpc.errors import StateError, UserError
from hpc.fsio import read_json, sha256_file, write_atomic
from hpc.record import Record, explain
from ptychopinn_batch.files import whole_folder
from ptychopinn_batch.jobspec import CnnSettings, Train, UnrolledSettings
from ptychopinn_batch.provenance import Provenance, collect

if TYPE_CHECKING:
    from torch import Tensor

    from ptychopinn_batch.networks.base import Network

SCHEMA = 1
WEIGHTS = "model.pth"
MANIFEST = "manifest.json"
SHIPPED = Path(__file__).parent / "pretrained"
SETTINGS: dict[str, type[BaseModel]] = {"unrolled": UnrolledSettings, "cnn": CnnSettings}
RENEW = "Get the package again, or submit the run that made it again"

FileName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


class PackedFile(Record):
    sha256: str
    size: int


class Training(Record):
    """How weights came about. `start`: identity of the package they started from; `data`: ids of
    the scan stores seen; `train.simulated` is the share of simulated regions."""

    train: Train | None
    start: str | None
    data: tuple[str, ...]


class Manifest(Record):
    """`manifest.json`. `digest` is the hash of all other fields: no byte here changes unnoticed.

    Statistics a network normalises by are buffers among its weights, not fields.
    """

    schema_version: Literal[1] = 1
    name: str
    architecture: str
    settings: dict[str, JsonValue]
    seed: int
    training: Training
    metrics: dict[str, float]
    provenance: Provenance
    files: dict[FileName, PackedFile] = Field(min_length=1)
    digest: str = ""

    def sealed(self) -> Manifest:
        """This manifest with its digest."""
        return self.model_copy(update={"digest": self._digest()})

    def is_sealed(self) -> bool:
        return self.digest == self._digest()

    @property
    def identity(self) -> str:
        """Hash of what decides the network's results: architecture, settings and weights."""
        weights = self.files[WEIGHTS].sha256
        return _sha256(
            {"architecture": self.architecture, "settings": self.settings, "weights": weights}
        )

    def _digest(self) -> str:
        return _sha256(self.model_dump(mode="json", exclude={"digest"}))


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode on the CPU, and what is known of it."""

    network: Network
    manifest: Manifest


def save_package(
    folder: Path,
    network: Network,
    *,
    name: str,
    seed: int,
    training: Training,
    metrics: dict[str, float],
) -> Manifest:
    """Write a package in place of any older one; it appears whole or not at all."""
    import torch

    weights = {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}
    with whole_folder(folder) as new:
        torch.save(weights, new / WEIGHTS)
        manifest = Manifest(
            name=name,
            architecture=network.architecture,
            settings=network.settings.model_dump(mode="json"),
            seed=seed,
            training=training,
            metrics=metrics,
            provenance=collect(),
            files={WEIGHTS: _packed(new / WEIGHTS)},
        ).sealed()
        write_atomic(new / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def copy_package(source: Path, folder: Path) -> Manifest:
    """A verified package once more, byte for byte, in place of any older one at `folder`."""
    manifest = read_manifest(source)
    with whole_folder(folder) as new:
        for name in (*manifest.files, MANIFEST):
            (new / name).write_bytes((source / name).read_bytes())
        read_manifest(new)
    return manifest


def load_model(name_or_path: str | Path = "default") -> LoadedModel:
    """A trained network: the shipped one by its name, or the package in a folder.

    Raises UserError where there is none, StateError where its bytes are not what they were.
    """
    return load_package(resolve_pretrained(str(name_or_path), Path.cwd()))


def load_package(folder: Path) -> LoadedModel:
    """The network of a package; StateError unless it is exactly what its manifest says."""
    from ptychopinn_batch.networks.registry import build_network

    manifest = read_manifest(folder)
    network = build_network(manifest.architecture, _settings(manifest, folder / MANIFEST))
    load_weights(network, folder / WEIGHTS)
    return LoadedModel(network.eval(), manifest)


def _settings(manifest: Manifest, path: Path) -> BaseModel:
    kind = SETTINGS.get(manifest.architecture)
    if kind is None:
        what = f"unknown architecture {manifest.architecture!r}, expected {' or '.join(SETTINGS)}"
        raise StateError(what, where=str(path), mend="Use the version that wrote it")
    try:
        return kind.model_validate_json(json.dumps(manifest.settings))
    except ValidationError as error:
        what = f"settings of the network are not valid ({explain(error)})"
        raise StateError(what, where=str(path), mend=RENEW) from error


def load_weights(network: Network, path: Path) -> None:
    """Give a network the weights of a file; StateError unless they fit it one to one."""
    weights, expected = _read_weights(path), network.state_dict()
    faults = [
        *(f"lacks {name}" for name in expected.keys() - weights.keys()),
        *(f"holds an unknown {name}" for name in weights.keys() - expected.keys()),
        *(
            f"{name} is {tuple(weights[name].shape)}, expected {tuple(value.shape)}"
            for name, value in expected.items()
            if name in weights and weights[name].shape != value.shape
        ),
    ]
    if faults:
        more = f", and {len(faults) - 1} faults more" if len(faults) > 1 else ""
        what = f"these weights do not fit the network: the file {min(faults)}{more}"
        raise StateError(what, where=str(path), mend=RENEW)
    network.load_state_dict(weights, strict=True)


def package_files(folder: Path) -> tuple[Path, ...]:
    """The files of a package."""
    return folder / WEIGHTS, folder / MANIFEST


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a package whose every byte was checked; StateError where one is wrong."""
    path = folder / MANIFEST
    _check_schema(path)
    manifest = read_json(path, Manifest)
    if not manifest.is_sealed():
        raise StateError("this manifest was changed by hand", where=str(path), mend=RENEW)
    if WEIGHTS not in manifest.files:
        raise StateError(f"this manifest names no {WEIGHTS}", where=str(path), mend=RENEW)
    for name, entry in manifest.files.items():
        if not (folder / name).is_file():
            raise StateError("this file is missing", where=str(folder / name), mend=RENEW)
        if _packed(folder / name) != entry:
            what = "its bytes are not those the manifest describes"
            raise StateError(what, where=str(folder / name), mend=RENEW)
    strangers = {p.name for p in folder.iterdir()} - manifest.files.keys() - {MANIFEST}
    if strangers:
        what = f"{min(strangers)} does not belong to this package"
        raise StateError(what, where=str(folder), mend="Remove it")
    return manifest


def package_identity(folder: Path) -> str:
    """SHA-256 (hex) of what decides a packaged network's results; checks the package first."""
    return read_manifest(folder).identity


def resolve_pretrained(name: str, base_folder: Path) -> Path:
    """The folder of a package by its name: a shipped one, or a path relative to `base_folder`.

    Raises UserError where there is no package.
    """
    shipped = SHIPPED / name
    folder = shipped if name == "default" else base_folder / Path(name).expanduser()
    if not (folder / MANIFEST).is_file():
        what = f"there is no model package at {folder}"
        mend = f"Name a folder that holds {MANIFEST} and {WEIGHTS}, 'default' or 'none'"
        raise UserError(what, where="model.pretrained", mend=mend)
    return folder


def _check_schema(path: Path) -> None:
    """A later version's manifest is named as that, not as a list of unknown fields."""
    try:
        version = json.loads(path.read_bytes())["schema_version"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # read_json says what is wrong
    if version != SCHEMA:
        what = f"this manifest has schema version {version!r}, this program knows {SCHEMA}"
        raise StateError(
            what, where=str(path), mend="Use the version that wrote it, or a newer one"
        )


def _read_weights(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        weights: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise StateError("this file is missing", where=str(path), mend=RENEW) from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        what = "this file holds no plain tensors"
        raise StateError(what, where=str(path), mend=RENEW) from error
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in weights.items()
    ):
        raise StateError("this file is no state dict", where=str(path), mend=RENEW)
    return weights


def _packed(path: Path) -> PackedFile:
    return PackedFile(sha256=sha256_file(path), size=path.stat().st_size)


def _sha256(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
