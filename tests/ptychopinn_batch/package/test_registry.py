"""The registry of all runs: packages under what they hold, kept once and never changed."""

from pathlib import Path

import pytest

from hpc.errors import StateError, UserError
from ptychopinn_batch.jobspec.model import SHIPPED_NETWORKS
from ptychopinn_batch.package import (
    Registry,
    load_model,
    package_identity,
    read_manifest,
    resolve_pretrained,
)
from ptychopinn_batch.package.registry import ADDRESS


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "runs" / ".models")


def test_a_package_lies_under_its_digest(tmp_path, make, registry):
    source = make(tmp_path / "p")
    place = registry.add(source)
    assert place == registry.folder / read_manifest(source).digest
    for name in ("model.pth", "manifest.json"):
        assert (place / name).read_bytes() == (source / name).read_bytes()


def test_the_same_package_is_kept_once(tmp_path, make, registry):
    place = registry.add(make(tmp_path / "p"))
    before = (place / "model.pth").stat().st_mtime_ns
    assert registry.add(tmp_path / "p") == place
    assert (place / "model.pth").stat().st_mtime_ns == before
    assert [p.name for p in registry.folder.iterdir()] == [place.name]


def test_what_is_kept_does_not_change_with_its_source(tmp_path, make, registry):
    first = registry.add(make(tmp_path / "p", seed=0))
    second = registry.add(make(tmp_path / "p", seed=1))
    assert first != second
    assert list(registry.packages()) == sorted([first, second])
    assert read_manifest(first).seed == 0


def test_files_are_read_only(tmp_path, make, registry):
    place = registry.add(make(tmp_path / "p"))
    assert {file.stat().st_mode & 0o222 for file in place.iterdir()} == {0}


def test_damage_is_told_and_not_repaired(tmp_path, make, registry):
    place = registry.add(make(tmp_path / "p"))
    (place / "model.pth").chmod(0o644)
    (place / "model.pth").write_bytes(b"")
    with pytest.raises(StateError, match=str(place)):
        registry.add(tmp_path / "p")


def test_another_task_may_be_first(tmp_path, make, registry, monkeypatch):
    source = make(tmp_path / "p")

    def late(new, place):
        monkeypatch.undo()
        registry.add(source)
        raise FileExistsError(17, "exists", str(place))

    monkeypatch.setattr("ptychopinn_batch.package.registry.publish_folder", late)
    place = registry.add(source)
    assert [p.name for p in registry.folder.iterdir()] == [place.name]


def test_a_disk_that_is_full_leaves_nothing(tmp_path, make, registry, monkeypatch):
    source = make(tmp_path / "p")

    def full(new, place):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ptychopinn_batch.package.registry.publish_folder", full)
    with pytest.raises(OSError, match="No space"):
        registry.add(source)
    assert list(registry.folder.iterdir()) == []


def test_addresses_may_be_shortened(tmp_path, make, registry):
    place = registry.add(make(tmp_path / "p"))
    for digits in (6, 12, 64):
        address = f"{ADDRESS}{place.name[:digits]}"
        assert resolve_pretrained(address, tmp_path, registry) == place


def test_an_address_must_be_that_of_one_package(tmp_path, make, registry, refusal_of):
    place = registry.add(make(tmp_path / "p"))
    assert refusal_of(registry.find, place.name[:5]) == (
        f"'{place.name[:5]}' is too short for an address",
        "model.pretrained",
        "Write sha256: and at least 6 digits, as `package list` shows them",
    )
    with pytest.raises(UserError, match=r"no packages in .*begin with 'ffffffff'"):
        registry.find("ffffffff")
    twin = registry.folder / (place.name[:60] + "0000")
    twin.mkdir()
    with pytest.raises(UserError, match="2 packages in"):
        registry.find(place.name[:20])


def test_an_empty_registry_has_nothing(registry):
    assert list(registry.packages()) == []


def test_python_loads_from_it_by_path(tmp_path, make, registry):
    assert load_model(registry.add(make(tmp_path / "p"))).manifest.name == "star"


@pytest.mark.parametrize("name", SHIPPED_NETWORKS)
def test_every_network_that_ships_loads_by_its_name(name):
    loaded = load_model(name)
    assert loaded.manifest.name == name
    assert package_identity(resolve_pretrained(name, Path("/nowhere"))) == loaded.manifest.identity
