"""The weights of a package in other formats too, beside `model.pth` and listed in its manifest.

`model.pth` stays what is loaded, and what the network's identity is the hash of.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hpc.errors import StateError, UserError
from ptychopinn_batch.files import whole_folder
from ptychopinn_batch.jobspec import CnnSettings, ModelExport
from ptychopinn_batch.package.folder import (
    load_package,
    packed,
    read_manifest,
    settings_of,
    write_manifest,
)
from ptychopinn_batch.package.manifest import MANIFEST, RENEW, WEIGHTS, Manifest
from ptychopinn_batch.package.weights import (
    SAFETENSORS,
    Weights,
    check_fit,
    read_safetensors,
    read_weights,
    save_safetensors,
)

EXTRA_FILES: dict[ModelExport, str] = {"bundle": "wts.h5.zip", "safetensors": SAFETENSORS}
PHOTONS = "photons"  # a metric of trained packages: the mean counts of the frames they learned from


def add_formats(folder: Path, formats: Sequence[ModelExport]) -> Manifest:
    """Write these formats into a package, which is replaced by the package with them.

    Raises UserError where a format cannot hold the network.
    """
    manifest = read_manifest(folder)
    with whole_folder(folder) as new:
        for name in manifest.files:
            (new / name).write_bytes((folder / name).read_bytes())
        for kind in formats:
            write_format(kind, folder, new / EXTRA_FILES[kind])
        names = (*manifest.files, *(EXTRA_FILES[kind] for kind in formats))
        files = {name: packed(new / name) for name in names}
        manifest = manifest.model_copy(update={"files": files}).sealed()
        write_manifest(new, manifest)
    return manifest


def write_format(kind: ModelExport, package: Path, path: Path) -> None:
    """The weights of a package as a file of another format. UserError where that cannot hold it."""
    if kind == "safetensors":
        save_safetensors(read_weights(package / WEIGHTS), path)
        return
    from ptychopinn_batch.legacy.bundle import write_bundle

    manifest = read_manifest(package)
    settings = settings_of(manifest, package / MANIFEST)
    if not isinstance(settings, CnnSettings):
        what = f"PtychoPINN knows no network {manifest.architecture!r}: a bundle holds a 'cnn'"
        raise UserError(what, where=str(package), mend="Take another format")
    weights = read_weights(package / WEIGHTS)
    write_bundle(path, settings, weights, photons=manifest.metrics.get(PHOTONS))


def verify_package(folder: Path) -> Manifest:
    """The manifest of a package that was checked as a whole; StateError where anything is wrong.

    Every byte, whether the weights fit the network, and whether other formats hold the same ones.
    """
    loaded = load_package(folder)
    weights = loaded.network.state_dict()
    for kind, name in EXTRA_FILES.items():
        if name in loaded.manifest.files:
            _check_same(_weights_in(kind, folder, loaded.network.settings), weights, folder / name)
    return loaded.manifest


def _weights_in(kind: ModelExport, folder: Path, settings: object) -> Weights:
    if kind == "safetensors":
        return read_safetensors(folder / SAFETENSORS)
    from ptychopinn_batch.legacy.bundle import read_own_bundle

    assert isinstance(settings, CnnSettings)
    return read_own_bundle(folder / EXTRA_FILES["bundle"], settings)


def _check_same(found: Weights, expected: Weights, path: Path) -> None:
    check_fit(found, expected, str(path))
    for name, value in expected.items():
        if not bool((found[name] == value).all()):
            what = f"its {name} is not that of {WEIGHTS}"
            raise StateError(what, where=str(path), mend=RENEW)
