"""Where the client finds the program, and networks as pairs of files. No Ptychodus needed."""

import json
import shutil
import sys

import pytest

from ptychopinn_batch.client import command
from ptychopinn_batch.client.model import copy_model


@pytest.fixture
def only_here(monkeypatch):
    """Nothing called ptychopinn-batch on the PATH."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_the_setting_is_a_command_as_in_a_shell():
    assert command.find_command("'/opt/my env/bin/python' -m it") == (
        "/opt/my env/bin/python",
        "-m",
        "it",
    )


def test_an_environment_that_has_everything_serves_itself(only_here):
    assert command.find_command(" ") == (sys.executable, "-m", "ptychopinn_batch")


def test_one_that_lacks_something_names_it_and_the_setting(only_here, monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "zarr" else object())
    with pytest.raises(RuntimeError, match=r"has no zarr.*PtychoPINNBatch\.command"):
        command.find_command("")


def test_another_environment_on_the_path_is_found(monkeypatch):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: "/elsewhere/bin/ptychopinn-batch")
    assert command.find_command("") == ("/elsewhere/bin/ptychopinn-batch",)


def test_a_network_is_copied_with_every_file_of_its_manifest(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    files = {"model.pth": b"weights", "model.safetensors": b"the same"}
    for name, content in files.items():
        (package / name).write_bytes(content)
    (package / "manifest.json").write_text(json.dumps({"files": dict.fromkeys(files)}))
    copy_model(package / "model.pth", tmp_path / "out" / "mine.pth")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "mine.pth",
        "mine.manifest.json",
        "model.safetensors",
    }


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}'])
def test_what_is_no_manifest_is_called_so(tmp_path, text):
    (tmp_path / "model.pth").write_bytes(b"weights")
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json is no manifest"):
        copy_model(tmp_path / "model.pth", tmp_path / "mine.pth")
