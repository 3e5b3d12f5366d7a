"""Readers that other packages bring: an entry point is all it takes, and none can do harm."""

import numpy as np
import pytest

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.registry import GROUP, find_reader, readers

from .conftest import frames_of, read

CODE = '''
"""Reads .mine files: PtychoPINN's, under another name."""

from dataclasses import dataclass

from ptychopinn_batch.readers.ptychopinn import PtychoPinnReader

@dataclass(frozen=True)
class MineReader(PtychoPinnReader):
    name: str = "mine"
    title: str = "my own files"

    def recognises(self, path):
        return path.suffix == ".mine"

@dataclass(frozen=True)
class ImpostorReader(MineReader):
    name: str = "cxi"

ready = MineReader(name="ready")
'''


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package that brings these readers, as pip would have left it."""

    def install(**entries):
        about = tmp_path / "site" / "mine-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (about / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
        (tmp_path / "site" / "mine_reader.py").write_text(CODE)
        monkeypatch.syspath_prepend(tmp_path / "site")
        readers.cache_clear()

    yield install
    readers.cache_clear()


@pytest.fixture
def mine(tmp_path, physical):
    path = tmp_path / "scan.mine"
    with path.open("wb") as file:
        x, y = physical.positions.T
        frames = physical.frames.array
        np.savez(file, diff3d=frames, xcoords=x, ycoords=y, probeGuess=physical.probe)
    return path


@pytest.mark.parametrize("what", ["MineReader", "ready"])
def test_an_entry_point_names_a_reader_or_its_class(installed, mine, physical, what):
    installed(some=f"mine_reader:{what}")
    name = "mine" if what == "MineReader" else "ready"
    assert find_reader(Scan(path=str(mine))).name == name
    assert find_reader(Scan(path="not.there", format=name)).name == name
    np.testing.assert_array_equal(frames_of(read(mine)), physical.frames.array)


def test_its_own_readers_are_asked_first(installed):
    installed(some="mine_reader:MineReader")
    assert readers()[0].name == "mine"
    assert len(readers()) > 1


@pytest.mark.parametrize(
    "broken", ["no_such_module:Reader", "mine_reader:Nothing", "mine_reader:dataclass"]
)
def test_one_that_cannot_be_loaded_is_left_out_and_told(installed, mine, caplog, broken):
    installed(bad=broken, good="mine_reader:MineReader")
    assert find_reader(Scan(path=str(mine))).name == "mine"
    assert f"{broken} cannot be loaded" in caplog.text


def test_a_name_that_is_taken_is_not_given_twice(installed, caplog):
    installed(some="mine_reader:ImpostorReader")
    assert [reader.name for reader in readers()].count("cxi") == 1
    assert "the reader cxi is left out" in caplog.text


def test_a_file_that_nobody_knows_is_told_with_what_can_be_read(tmp_path, refusal_of):
    (tmp_path / "notes.txt").write_text("x")
    what, where, mend = refusal_of(find_reader, Scan(path=str(tmp_path / "notes.txt")))
    assert (what, where) == ("no reader knows this file", str(tmp_path / "notes.txt"))
    assert mend == f"What can be read: {'; '.join(reader.title for reader in readers())}"


def test_a_format_that_nobody_reads_is_told_with_the_nearest(installed):
    installed(some="mine_reader:MineReader")
    with pytest.raises(UserError, match=r"there is no reader for the format 'mien'.*'mine'"):
        find_reader(Scan(path="scan.h5", format="mien"))
