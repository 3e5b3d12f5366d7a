"""Provenance: found where it can be, left open where it cannot, never an error."""

import platform
import subprocess

import pytest

from ptychopinn_batch import provenance


def test_the_process_is_described():
    found = provenance.collect()
    assert found.versions["python"] == platform.python_version()
    assert "ptychopinn-batch" in found.versions
    assert found.host
    assert found.created.endswith("+00:00")


def test_a_record_survives_its_json():
    found = provenance.collect()
    assert provenance.Provenance.model_validate_json(found.model_dump_json()) == found


def git(folder, *arguments):
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "provenance.py").write_text("x = 1\n")
    git(tmp_path, "add", "provenance.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_checkout_is_named_by_its_commit(checkout):
    source = provenance.source(checkout)
    assert source.commit == git(checkout, "rev-parse", "HEAD")
    assert not source.dirty


def test_changed_code_is_told_from_committed_code(checkout):
    (checkout / "provenance.py").write_text("x = 2\n")
    assert provenance.source(checkout).dirty


def test_a_copy_that_lies_in_a_foreign_checkout_is_not_named_by_its_commit(checkout):
    installed = checkout / "site-packages"
    installed.mkdir()
    (installed / "provenance.py").touch()
    assert provenance.source(installed) is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.source(checkout) is None
    assert provenance.collect().host


def test_a_result_made_in_a_container_names_its_image(monkeypatch):
    monkeypatch.setenv("HPC_IMAGE_SHA256", "ab" * 32)
    assert provenance.collect().versions["image"] == "ab" * 32
    monkeypatch.delenv("HPC_IMAGE_SHA256")
    assert "image" not in provenance.collect().versions
