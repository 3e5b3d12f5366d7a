"""A package as a folder: written whole or not at all, checked to the byte, loaded strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from hpc.errors import StateError, UserError
from hpc.fsio import sha256_file, write_atomic
from hpc.record import explain
from ptychopinn_batch.files import whole_folder
from ptychopinn_batch.jobspec import CnnSettings, UnrolledSettings
from ptychopinn_batch.package.manifest import (
    MANIFEST,
    RENEW,
    WEIGHTS,
    Manifest,
    PackedFile,
    Training,
    parse_manifest,
)
from ptychopinn_batch.package.weights import load_weights, save_weights, weights_of
from ptychopinn_batch.provenance import collect

if TYPE_CHECKING:
    from ptychopinn_batch.networks.base import Network

SETTINGS: dict[str, type[BaseModel]] = {"unrolled": UnrolledSettings, "cnn": CnnSettings}


@dataclass(frozen=True, repr=False)
class LoadedModel:
    """A network in evaluation mode on the CPU, and what is known of it.

    losses: (epoch, value) of its training, where that was done by who has it; no package tells.
    """

    network: Network
    manifest: Manifest
    losses: tuple[tuple[int, float], ...] = ()

    def __repr__(self) -> str:
        weights = sum(each.numel() for each in self.network.parameters())
        return (
            f"<LoadedModel {self.manifest.name}: {self.manifest.architecture}, {weights:,} weights>"
        )


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
    with whole_folder(folder) as new:
        save_weights(weights_of(network), new / WEIGHTS)
        manifest = Manifest(
            name=name,
            architecture=network.architecture,
            settings=network.settings.model_dump(mode="json"),
            seed=seed,
            training=training,
            metrics=metrics,
            provenance=collect(),
            files={WEIGHTS: packed(new / WEIGHTS)},
        ).sealed()
        write_manifest(new, manifest)
    return manifest


def refuse_others(folder: Path) -> None:
    """UserError where a package would take the place of something that is none."""
    if folder.exists() and not (folder / MANIFEST).is_file():
        what = "this is no package, and one would take its place"
        raise UserError(what, where=str(folder), mend="Name a new folder")


def copy_package(source: Path, folder: Path) -> Manifest:
    """A verified package once more, byte for byte, in place of any older one at `folder`."""
    manifest = read_manifest(source)
    with whole_folder(folder) as new:
        fill(new, source, manifest)
    return manifest


def fill(folder: Path, source: Path, manifest: Manifest) -> None:
    """Copy the files of a package into an empty folder, and check that they arrived."""
    for name in (*manifest.files, MANIFEST):
        (folder / name).write_bytes((source / name).read_bytes())
    read_manifest(folder)


def load_package(folder: Path, *, identity: str | None = None) -> LoadedModel:
    """The network of a package; StateError unless it is exactly what its manifest says.

    With `identity`, also unless it is that very network.
    """
    from ptychopinn_batch.networks.registry import build_network

    manifest = read_manifest(folder)
    if identity is not None and manifest.identity != identity:
        what = "this package is not the one the run was planned with"
        raise StateError(what, where=str(folder), mend="Submit the run again")
    network = build_network(manifest.architecture, settings_of(manifest, folder / MANIFEST))
    load_weights(network, folder / WEIGHTS)
    return LoadedModel(network.eval(), manifest)


def settings_of(manifest: Manifest, path: Path) -> BaseModel:
    """The settings of the network; StateError where this version does not know them."""
    kind = SETTINGS.get(manifest.architecture)
    if kind is None:
        what = f"unknown architecture {manifest.architecture!r}, expected {' or '.join(SETTINGS)}"
        raise StateError(what, where=str(path), mend="Use the version that wrote it")
    try:
        return kind.model_validate_json(json.dumps(manifest.settings))
    except ValidationError as error:
        what = f"settings of the network are not valid ({explain(error)})"
        raise StateError(what, where=str(path), mend=RENEW) from error


def package_files(folder: Path, extra: Sequence[str] = ()) -> tuple[Path, ...]:
    """The files of a package, with the names of those it has besides."""
    return folder / WEIGHTS, folder / MANIFEST, *(folder / name for name in extra)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a package whose every byte was checked; StateError where one is wrong."""
    manifest = parse_manifest(folder / MANIFEST)
    for name, entry in manifest.files.items():
        if not (folder / name).is_file():
            raise StateError("this file is missing", where=str(folder / name), mend=RENEW)
        if packed(folder / name) != entry:
            what = "its bytes are not those the manifest describes"
            raise StateError(what, where=str(folder / name), mend=RENEW)
    strangers = {p.name for p in folder.iterdir()} - manifest.files.keys() - {MANIFEST}
    if strangers:
        what = f"{min(strangers)} does not belong to this package"
        raise StateError(what, where=str(folder), mend="Give the package a folder of its own")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder that holds its files."""
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")


def package_identity(folder: Path) -> str:
    """SHA-256 (hex) of what decides a packaged network's results; checks the package first."""
    return read_manifest(folder).identity


def packed(path: Path) -> PackedFile:
    """A file as a manifest describes it."""
    return PackedFile(sha256=sha256_file(path), size=path.stat().st_size)
