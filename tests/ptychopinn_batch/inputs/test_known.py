"""The memory of scans: a shortcut that never shows something else than the files."""

import os
from pathlib import Path

import numpy as np
import pytest

from hpc.errors import UserError
from hpc.paths import RunPaths
from ptychopinn_batch.data import header
from ptychopinn_batch.data.header import input_identity
from ptychopinn_batch.inputs.known import Inputs
from ptychopinn_batch.jobspec import Scan, Simulation

LONG_AGO = 1_600_000_000
SIMULATED = Scan(name="s", simulate=Simulation(frames=20, frame_size=32))


@pytest.fixture
def scan(tmp_path):
    """A scan in a file that has been there for long."""
    write(tmp_path / "scan.npz")
    return Scan(name="a", path=str(tmp_path / "scan.npz"))


def write(path, changed=LONG_AGO, x0=0.0):
    y, x = np.mgrid[:16, :16] - 8
    row, column = np.divmod(np.arange(20.0), 5)
    np.savez(
        path,
        diff3d=np.ones((20, 16, 16), np.uint16),
        xcoords=x0 + 2 * column,
        ycoords=2 * row,
        probeGuess=np.exp(-(x**2 + y**2) / 18).astype(np.complex64),
    )
    os.utime(path, (changed, changed))


@pytest.fixture
def run(tmp_path):
    return RunPaths(tmp_path / "runs", "x")


@pytest.fixture
def effort(monkeypatch):
    """What was read or hashed, in order."""
    seen = []
    for name in ("read_header", "scan_identity"):
        real = getattr(header, name)
        monkeypatch.setattr(
            header, name, lambda what, real=real, name=name: seen.append(name) or real(what)
        )
    return seen


def look(run, scan, save=True):
    """Canvas and identity of a scan, as one submit finds them."""
    inputs = Inputs(run)
    found = inputs.header(scan)
    identity = inputs.identify(scan, found)
    if save:
        inputs.save()
    return found.canvas, identity


def test_a_file_is_read_and_hashed_once(run, scan, effort):
    first = look(run, scan)
    assert look(run, scan) == look(run, scan) == first
    assert effort == ["read_header", "scan_identity"]


def test_a_simulation_is_laid_out_once(run, effort):
    assert look(run, SIMULATED) == look(run, SIMULATED)
    assert look(run, SIMULATED)[1] is None
    assert effort == ["read_header"]


def test_nothing_is_written_until_it_is_saved(run, scan):
    look(run, scan, save=False)
    assert not run.root.exists()


def test_a_changed_file_is_read_and_hashed_again(run, scan):
    canvas, identity = look(run, scan)
    write(scan.path, LONG_AGO + 1, x0=40.0)
    assert look(run, scan)[0].x0 == canvas.x0 + 40
    assert look(run, scan)[1] == input_identity(Path(scan.path)) != identity


def test_a_file_that_was_just_written_is_not_remembered(run, scan, effort):
    os.utime(scan.path)
    look(run, scan)
    look(run, scan)
    assert effort.count("scan_identity") == 2


def test_a_header_is_not_kept_for_a_file_that_changes_before_it_is_hashed(run, scan):
    inputs = Inputs(run)
    old = inputs.header(scan)
    write(scan.path, LONG_AGO + 1, x0=40.0)
    inputs.identify(scan, old)
    inputs.save()
    assert look(run, scan)[0].x0 == old.canvas.x0 + 40


def test_other_settings_of_the_same_file_have_a_header_of_their_own(run, scan):
    canvas, identity = look(run, scan)
    swapped = look(run, scan.model_copy(update={"swap_xy": True}))
    assert (swapped[0].shape, swapped[1]) == (canvas.shape[::-1], identity)


def test_a_copy_under_another_name_is_hashed_and_then_known(run, scan, tmp_path, effort):
    first = look(run, scan)
    write(tmp_path / "copy.npz")
    copy = scan.model_copy(update={"name": "b", "path": str(tmp_path / "copy.npz")})
    assert look(run, copy) == look(run, copy) == first
    assert effort.count("scan_identity") == 2


def test_a_damaged_memory_is_no_memory(run, scan):
    first = look(run, scan)
    for memory in (run.known_inputs, run.known_scans):
        memory.write_text("not a record\n")
    assert look(run, scan) == first


def test_what_is_wrong_is_told_every_time(run, scan):
    gone = scan.model_copy(update={"path": f"{scan.path}.gone"})
    for _ in range(2):
        with pytest.raises(UserError, match=r"scan\.npz\.gone"):
            look(run, gone)
