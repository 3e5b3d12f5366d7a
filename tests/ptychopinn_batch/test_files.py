"""Files and folders appear whole, replace what was there, and leave nothing behind."""

import errno
import os
import stat

import pytest

from ptychopinn_batch.files import beside, sweep, whole_file, whole_folder


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path):
    with whole_file(tmp_path / "a.h5") as new:
        new.write_text("new")
        assert names(tmp_path) == [new.name]
    assert (tmp_path / "a.h5").read_text() == "new"
    assert names(tmp_path) == ["a.h5"]


def test_a_file_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "a").write_text("old")

    def write():
        with whole_file(tmp_path / "a") as new:
            new.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_file_system_that_cannot_sync_folders_is_no_reason_to_fail(tmp_path, monkeypatch):
    sync = os.fsync

    def only_files(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    with whole_file(tmp_path / "a") as new:
        new.write_text("whole")
    assert (tmp_path / "a").read_text() == "whole"


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    for content in ("old", "new"):
        with whole_folder(tmp_path / "p") as new:
            (new / content).touch()
    assert names(tmp_path / "p") == ["new"]
    assert names(tmp_path) == ["p"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "p").mkdir()

    def write():
        with whole_folder(tmp_path / "p") as new:
            (new / "half").touch()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert names(tmp_path / "p") == []
    assert names(tmp_path) == ["p"]


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path):
    beside(tmp_path / "a.h5").touch()
    beside(tmp_path / "a.h5").mkdir()
    (tmp_path / "a.h5").touch()
    beside(tmp_path / "b.h5").touch()
    sweep(tmp_path / "a.h5")
    assert [name for name in names(tmp_path) if "a.h5" in name] == ["a.h5"]
    assert len(names(tmp_path)) == 2
