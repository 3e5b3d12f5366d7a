"""What a spec gives in files of its own: which array of such a file is meant."""

import h5py
import numpy as np
import pytest

from ptychopinn_batch.jobspec import Datasets, Files

from .conftest import read


@pytest.fixture(params=["probe.npz", "probe.h5"])
def several(request, tmp_path, physical):
    """A file of two arrays, none of which has a usual name."""
    path, arrays = tmp_path / request.param, {"late": physical.probe, "early": physical.probe * 2}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return path, "early", "early, late"
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array.real
    return path, "/early", "/early, /late"


def test_of_several_arrays_the_spec_says_which_is_meant(save, several, refusal_of):
    path, _, held = several
    assert refusal_of(read, save(), files=Files(probe=str(path))) == (
        f"it holds {held}: which is it?",
        str(path),
        "Write datasets.probe",
    )


def test_a_file_that_is_no_array_is_refused(save, tmp_path, refusal_of):
    (tmp_path / "mask.txt").write_text("0 0 1\n")
    what, *rest = refusal_of(read, save(), files=Files(mask=str(tmp_path / "mask.txt")))
    assert what.startswith("this file cannot be read (")
    assert rest == [str(tmp_path / "mask.txt"), "Give an NPY, NPZ, TIFF or HDF5 file"]


def test_positions_in_hdf5_are_named(save, tmp_path, refusal_of):
    path = tmp_path / "places.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3.0)
    assert refusal_of(read, save(), files=Files(positions=str(path))) == (
        "it does not say where its positions are",
        str(path),
        "Write datasets.positions, or datasets.x and datasets.y",
    )


def test_an_array_that_is_not_there_is_told_with_those_that_are(save, several, refusal_of):
    path, _, held = several
    names = Datasets(probe="middle")
    assert refusal_of(read, save(), files=Files(probe=str(path)), datasets=names) == (
        f"it holds {held}, no middle",
        str(path),
        "Write datasets.probe",
    )


@pytest.mark.parametrize("damage", [b"\0", b"(", b"'", b"\xff"])
def test_an_array_whose_header_is_damaged_is_refused(save, tmp_path, refusal_of, damage, physical):
    """numpy parses it as Python, and fails in the ways that Python has."""
    path = tmp_path / "probe.npy"
    np.save(path, physical.probe)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"{'descr", damage + b"(" + b"'descr"[:-1], 1))
    what, *rest = refusal_of(read, save(), files=Files(probe=str(path)))
    assert what.startswith("this file cannot be read (")
    assert rest == [str(path), "Give an NPY, NPZ, TIFF or HDF5 file"]
