"""Manifests: a published schema, a seal over what was written, and older versions migrated."""

import json
from pathlib import Path

import jsonschema
import pytest

import ptychopinn_batch
from hpc.errors import StateError
from ptychopinn_batch.package import load_package, manifest, read_manifest
from ptychopinn_batch.package.manifest import (
    MANIFEST,
    Manifest,
    digest_of,
    manifest_schema,
    migrated,
    schema_file,
)

SHIPPED = Path(ptychopinn_batch.__file__).parent / "pretrained" / "default" / MANIFEST


def document(folder):
    return json.loads((folder / MANIFEST).read_text())


def write(folder, values):
    sealed = {**values, "digest": digest_of(values)}
    (folder / MANIFEST).write_text(json.dumps(sealed))
    return folder


def test_the_schema_file_is_that_of_the_manifest():
    """Fields changed? Then raise SCHEMA, write the next file, and migrate: see the module."""
    assert json.loads(schema_file().read_text()) == json.loads(json.dumps(manifest_schema()))


def test_manifests_agree_with_the_schema_file(tmp_path, make):
    schema = json.loads(schema_file().read_text())
    for path in (SHIPPED, make(tmp_path / "p") / MANIFEST):
        jsonschema.validate(json.loads(path.read_text()), schema)


def test_the_schema_refuses_what_the_program_refuses(tmp_path, make):
    values = {**document(make(tmp_path / "p")), "more": 1}
    with pytest.raises(jsonschema.ValidationError, match="more"):
        jsonschema.validate(values, json.loads(schema_file().read_text()))
    with pytest.raises(StateError, match="not a valid Manifest"):
        read_manifest(write(tmp_path / "p", values))


def test_what_a_training_was_asked_for_may_be_said_in_words_of_another_version(tmp_path, make):
    folder = make(tmp_path / "p")
    values = document(folder)
    values["training"]["train"] = {"epochs": 3, "a_key_of_long_ago": [1, {"b": None}]}
    assert read_manifest(write(folder, values)).training.train["a_key_of_long_ago"]


@pytest.fixture
def version_2(monkeypatch):
    """As if the next version called the name of a package `title`, and knew its licence."""

    def to_2(old):
        return {**old, "licence": "unknown"}

    class Next(Manifest):
        schema_version: int = 2
        licence: str

    monkeypatch.setattr(manifest, "SCHEMA", 2)
    monkeypatch.setattr(manifest, "MIGRATIONS", {1: to_2})
    monkeypatch.setattr(manifest, "Manifest", Next)


def test_a_package_of_an_older_version_is_migrated_and_stays_the_same_network(
    tmp_path, make, version_2
):
    folder = make(tmp_path / "p")
    before = (folder / MANIFEST).read_bytes()
    read = read_manifest(folder)
    assert (read.schema_version, read.licence) == (2, "unknown")
    assert read.digest == document(folder)["digest"]
    assert load_package(folder).manifest.identity == read.identity
    assert (folder / MANIFEST).read_bytes() == before


def test_the_seal_of_an_older_version_still_counts(tmp_path, make, version_2):
    folder = make(tmp_path / "p")
    values = document(folder)
    (folder / MANIFEST).write_text(json.dumps({**values, "seed": 7}))
    with pytest.raises(StateError, match="changed by hand"):
        read_manifest(folder)


def test_migrations_are_made_one_after_the_other(monkeypatch):
    steps = {1: lambda d: {**d, "path": "1"}, 2: lambda d: {**d, "path": d["path"] + "2"}}
    monkeypatch.setattr(manifest, "SCHEMA", 3)
    monkeypatch.setattr(manifest, "MIGRATIONS", steps)
    assert migrated({"schema_version": 1}) == {"schema_version": 3, "path": "12"}


@pytest.mark.parametrize("version", [0, 2, "1", None, True])
def test_versions_that_nobody_knows_are_named(tmp_path, make, refusal_of, version):
    folder = make(tmp_path / "p")
    write(folder, {**document(folder), "schema_version": version})
    assert refusal_of(read_manifest, folder) == (
        f"this manifest has schema version {version!r}, this program knows 1",
        str(folder / MANIFEST),
        "Read it with the version of this program that wrote it, or a newer one",
    )


def test_a_package_has_weights(tmp_path, make, refusal_of):
    folder = make(tmp_path / "p")
    values = document(folder)
    values["files"] = {"other.pth": values["files"]["model.pth"]}
    assert refusal_of(read_manifest, write(folder, values)) == (
        "this manifest names no model.pth",
        str(folder / MANIFEST),
        "Get the package again, or submit the run that made it again",
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_a_broken_manifest_is_one_message(tmp_path, make, text):
    folder = make(tmp_path / "p")
    (folder / MANIFEST).write_text(text)
    with pytest.raises(StateError, match=r"manifest\.json: this file is not a valid Manifest"):
        read_manifest(folder)


@pytest.mark.parametrize("name", ["../evil", "a/b", ".hidden", ""])
def test_files_outside_of_the_package_are_no_files_of_it(tmp_path, make, name):
    folder = make(tmp_path / "p")
    values = document(folder)
    values["files"][name] = values["files"]["model.pth"]
    with pytest.raises(StateError, match="not a valid Manifest"):
        read_manifest(write(folder, values))
