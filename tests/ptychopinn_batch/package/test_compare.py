"""What tells packages apart."""

import pytest

from hpc.errors import StateError
from ptychopinn_batch.jobspec import UnrolledSettings
from ptychopinn_batch.package import compare_packages, copy_package


def names(differences):
    return {difference.name for difference in differences}


def test_a_copy_is_the_same(tmp_path, make):
    copy_package(make(tmp_path / "p"), tmp_path / "q")
    found = compare_packages(tmp_path / "p", tmp_path / "q")
    assert found.same
    assert (found.fields, found.tensors) == ((), ())


def test_another_name_is_the_same_network(tmp_path, make):
    found = compare_packages(make(tmp_path / "p"), make(tmp_path / "q", name="moon"))
    assert found.same
    (name,) = (field for field in found.fields if field.name == "name")
    assert (name.first, name.second) == ("star", "moon")


def test_other_weights_are_told_tensor_by_tensor(tmp_path, make):
    found = compare_packages(make(tmp_path / "p"), make(tmp_path / "q", seed=1))
    assert not found.same
    assert {"seed", "files.model.pth.sha256"} <= names(found.fields)
    assert found.tensors
    assert all(0 < tensor.distance < 10 for tensor in found.tensors)


def test_other_settings_are_told(tmp_path, make):
    wide = UnrolledSettings(width=8, hidden=2, depth=2)
    found = compare_packages(make(tmp_path / "p"), make(tmp_path / "q", settings=wide))
    assert not found.same
    assert "settings.width" in names(found.fields)


def test_what_only_one_has_is_told(tmp_path, make):
    more = {"validation": 0.0123, "photons": 1e4}
    found = compare_packages(make(tmp_path / "p"), make(tmp_path / "q", metrics=more))
    (field,) = (field for field in found.fields if field.name == "metrics.photons")
    assert (field.first, field.second) == (None, 1e4)


def test_a_damaged_package_is_not_compared(tmp_path, make):
    make(tmp_path / "p")
    (make(tmp_path / "q") / "model.pth").write_bytes(b"")
    with pytest.raises(StateError, match=r"model\.pth"):
        compare_packages(tmp_path / "p", tmp_path / "q")
