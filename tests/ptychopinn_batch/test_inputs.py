"""The memory of input files: a shortcut that never shows something else than the file."""

import os

import pytest

from hpc.errors import UserError
from ptychopinn_batch import inputs
from ptychopinn_batch.data.header import input_identity
from ptychopinn_batch.inputs import Inputs

LONG_AGO = 1_600_000_000


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "scan.npz"
    path.write_bytes(b"frames")
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.fixture
def hashed(monkeypatch):
    """The files that were hashed, in order."""
    seen = []

    def note(path):
        seen.append(path.name)
        return input_identity(path)

    monkeypatch.setattr(inputs, "input_identity", note)
    return seen


@pytest.fixture
def memory(tmp_path):
    return tmp_path / "stores" / "inputs.jsonl"


def test_a_file_is_hashed_once(file, memory, hashed):
    first = Inputs(memory)
    identity = first.identify(file)
    assert first.identify(file) == identity
    first.save()
    assert Inputs(memory).identify(file) == identity == input_identity(file)
    assert hashed == ["scan.npz"]


def test_nothing_is_written_until_it_is_saved(file, memory):
    Inputs(memory).identify(file)
    assert not memory.parent.exists()


@pytest.mark.parametrize("content", [b"other frames", b"FRAMES"])
def test_a_changed_file_is_hashed_again(file, memory, content):
    known = Inputs(memory)
    before = known.identify(file)
    known.save()
    file.write_bytes(content)
    os.utime(file, (LONG_AGO + 1, LONG_AGO + 1))
    assert Inputs(memory).identify(file) == input_identity(file) != before


def test_a_file_that_was_just_written_is_not_remembered(file, memory, hashed):
    file.write_bytes(b"FRAMES")
    known = Inputs(memory)
    known.identify(file)
    known.save()
    Inputs(memory).identify(file)
    assert hashed == ["scan.npz", "scan.npz"]


def test_a_damaged_memory_is_no_memory(file, memory):
    memory.parent.mkdir()
    memory.write_text("not a record\n")
    assert Inputs(memory).identify(file) == input_identity(file)


def test_a_file_that_cannot_be_read_is_a_mistake_of_the_user(tmp_path, memory):
    with pytest.raises(UserError, match=r"gone\.npz: cannot be read"):
        Inputs(memory).identify(tmp_path / "gone.npz")
