"""Faults in the middle of a run: killed, refused by its disk. The same submit sets all right.

A few places of each; `python -m tests.faults.sweep` tries all of them.
"""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from tests.faults.machine import kill, refuse, tear
from tests.faults.place import Place

SOMEWHERE = (0.02, 0.13, 0.29, 0.46, 0.62, 0.77, 0.93)


@pytest.mark.parametrize("part", SOMEWHERE)
def test_a_process_killed_anywhere_loses_nothing(survives, part):
    survives(kill, part)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_machine_that_dies_as_a_whole_loses_nothing(survives, part):
    survives(kill, part, lasting=True)


@pytest.mark.parametrize("part", [0.08, 0.35, 0.7])
def test_half_of_what_was_written_last_is_as_good_as_nothing(survives, part):
    survives(tear, part)


@pytest.mark.parametrize("part", [0.05, 0.4, 0.8])
def test_a_disk_that_stays_full_is_told_and_survived(survives, part):
    survives(refuse(errno.ENOSPC), part, lasting=True)


@pytest.mark.parametrize(
    ("code", "part", "lasting"),
    [
        (errno.EIO, 0.2, False),
        (errno.EIO, 0.6, True),
        (errno.EACCES, 0.5, True),
        (errno.EDQUOT, 0.7, True),
        (errno.ENOSPC, 0.3, False),
    ],
)
def test_a_disk_that_refuses_a_write_is_told_and_survived(survives, code, part, lasting):
    survives(refuse(code), part, lasting=lasting)


@pytest.mark.parametrize("part", [0.15, 0.55])
def test_a_stale_file_is_told_and_survived(survives, part):
    survives(refuse(errno.ESTALE), part, reads=True)


@pytest.fixture
def small_disk(tmp_path: Path):
    """Makes a real file system of so many bytes, for the runs of a place."""
    mounted = []

    def make(size: int) -> Place:
        place = Place(tmp_path / str(size))
        place.run.root.mkdir()
        options = ("-o", f"size={size}", "tmpfs", str(place.run.root))
        subprocess.run(("mount", "-t", "tmpfs", *options), check=True)
        mounted.append(place.run.root)
        return place

    yield make
    for folder in mounted:
        subprocess.run(("umount", "--lazy", str(folder)), check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk")
@pytest.mark.parametrize("size", [60_000, 200_000, 600_000])
def test_a_disk_that_is_really_full_stops_the_run_and_room_has_it_go_on(small_disk, expected, size):
    place = small_disk(size)
    full = place.submit()
    assert full.is_sound, full
    assert full.code in (1, 2)
    assert "no space left on the disk" in full.text
    room = ("mount", "-o", "remount,size=50m", str(place.run.root))
    subprocess.run(room, check=True)
    assert place.submit().code == 0
    assert place.result() == expected
