"""The weights of a package in other formats: the same numbers, listed and checked with the rest."""

import sys

import pytest
import torch
from safetensors.torch import load_file

from hpc.errors import StateError, UserError
from ptychopinn_batch.package import (
    add_formats,
    copy_package,
    load_package,
    read_manifest,
    verify_package,
    write_format,
)
from ptychopinn_batch.package.folder import packed, write_manifest


def same_weights(found, folder):
    expected = load_package(folder).network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_safetensors_hold_the_same_tensors(tmp_path, make):
    folder = make(tmp_path / "p")
    add_formats(folder, ("safetensors",))
    same_weights(load_file(folder / "model.safetensors"), folder)


def test_others_can_read_every_file_of_a_package_that_can_read_one(tmp_path, patchwise):
    folder = patchwise(tmp_path / "p")
    add_formats(folder, ("bundle", "safetensors"))
    modes = {path.name: path.stat().st_mode for path in folder.iterdir()}
    assert set(modes.values()) == {modes["manifest.json"]}, modes


def test_formats_are_files_of_the_package_and_change_no_result(tmp_path, patchwise):
    folder = patchwise(tmp_path / "p")
    before = read_manifest(folder)
    after = add_formats(folder, ("bundle", "safetensors"))
    assert sorted(after.files) == ["model.pth", "model.safetensors", "wts.h5.zip"]
    assert after == read_manifest(folder) == verify_package(folder)
    assert after.identity == before.identity
    assert after.digest != before.digest


def test_a_copy_has_them_too(tmp_path, make):
    add_formats(make(tmp_path / "p"), ("safetensors",))
    copy_package(tmp_path / "p", tmp_path / "q")
    assert verify_package(tmp_path / "q") == read_manifest(tmp_path / "p")


def forged(folder, name, data):
    """A package whose manifest describes a file with another content."""
    (folder / name).write_bytes(data)
    manifest = read_manifest_unchecked(folder)
    files = {**manifest.files, name: packed(folder / name)}
    write_manifest(folder, manifest.model_copy(update={"files": files}).sealed())


def read_manifest_unchecked(folder):
    from ptychopinn_batch.package.manifest import parse_manifest

    return parse_manifest(folder / "manifest.json")


@pytest.mark.parametrize(
    ("kind", "name"), [("safetensors", "model.safetensors"), ("bundle", "wts.h5.zip")]
)
def test_other_weights_in_another_format_are_found(tmp_path, patchwise, kind, name):
    folder, other = patchwise(tmp_path / "p"), patchwise(tmp_path / "q", seed=1)
    for package in (folder, other):
        add_formats(package, (kind,))
    forged(folder, name, (other / name).read_bytes())
    with pytest.raises(StateError, match=r"is not that of model\.pth"):
        verify_package(folder)


@pytest.mark.parametrize(
    ("kind", "name"), [("safetensors", "model.safetensors"), ("bundle", "wts.h5.zip")]
)
def test_a_damaged_format_is_found(tmp_path, patchwise, refusal_of, kind, name):
    folder = patchwise(tmp_path / "p")
    add_formats(folder, (kind,))
    forged(folder, name, b"nothing of the kind")
    what, *rest = refusal_of(verify_package, folder)
    damage = {"safetensors": "this is no whole safetensors file (", "bundle": "this bundle is dam"}
    assert what.startswith(damage[kind])
    assert rest[0] == str(folder / name)
    assert rest[1].startswith("Get the package again, or ")


def test_a_network_that_ptychopinn_does_not_know_has_no_bundle(tmp_path, make):
    folder = make(tmp_path / "p")
    before = read_manifest(folder)
    with pytest.raises(UserError, match="knows no network 'unrolled'"):
        add_formats(folder, ("bundle",))
    assert read_manifest(folder) == before


def test_a_single_file_can_be_written(tmp_path, make):
    folder = make(tmp_path / "p")
    write_format("safetensors", folder, tmp_path / "x.safetensors")
    same_weights(load_file(tmp_path / "x.safetensors"), folder)


def test_without_safetensors_the_message_says_what_to_install(
    tmp_path, make, refusal_of, monkeypatch
):
    folder = make(tmp_path / "p")
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    assert refusal_of(write_format, "safetensors", folder, tmp_path / "x") == (
        "the format safetensors needs a package that is not installed",
        "safetensors",
        "Run: pip install 'ptychopinn-batch[safetensors]', or leave the format out",
    )
