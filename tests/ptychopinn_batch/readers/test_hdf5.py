"""NeXus and other HDF5: frames and positions by name, units, grids, compression, several files."""

from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from hpc.errors import UserError
from ptychopinn_batch.data.header import scan_identity
from ptychopinn_batch.data.source import patch_middle
from ptychopinn_batch.jobspec import Datasets, Files, Scan
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.opened import input_files, open_scan

from .conftest import GEOMETRY, frames_of, read

NAMES = {"frames": "/entry/data/data", "x": "/entry/x", "y": "/entry/y", "probe": "/entry/probe"}
OPTICS = GEOMETRY.model_dump()
PIXEL = GEOMETRY.pixel_size(32)


@pytest.fixture
def nexus(physical, tmp_path):
    """A NeXus file with positions in micrometres; `change` may do what it likes with it."""

    def write(change=lambda file: None, name="scan.nxs", **frames):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            entry = file.create_group("entry")
            entry.create_dataset("data/data", data=physical.frames.array, **frames)
            entry["probe"] = physical.probe
            for axis, values in zip("xy", physical.positions.T, strict=True):
                entry[axis] = (values - patch_middle(32)) * PIXEL * 1e6
                entry[axis].attrs["units"] = "um"
            change(file)
        return path

    return write


def options(**changes):
    return {"datasets": Datasets(**(NAMES | changes)), **OPTICS}


def test_frames_and_positions_by_name_and_unit(nexus, physical):
    raw = read(nexus(), **options())
    np.testing.assert_array_equal(frames_of(raw), physical.frames.array)
    np.testing.assert_allclose(raw.positions, physical.positions, atol=1e-9)
    assert raw.measurement == "counts"
    assert raw.zero_m == (0, 0)


@pytest.mark.parametrize(
    ("unit", "factor"), [("m", 1e-6), ("mm", 1e-3), ("µm", 1), ("nm", 1e3), ("Micrometer", 1)]
)
def test_units_of_positions(nexus, physical, unit, factor):
    def change(file):
        for axis in "xy":
            file[f"entry/{axis}"][...] *= factor
            file[f"entry/{axis}"].attrs["units"] = unit

    raw = read(nexus(change), **options())
    np.testing.assert_allclose(raw.positions, physical.positions, atol=1e-9)


def test_the_spec_says_the_unit_where_the_file_does_not_or_is_wrong(nexus, physical):
    def change(file):
        file["entry/x"].attrs["units"] = "deg"
        del file["entry/y"].attrs["units"]

    raw = read(nexus(change), **options(), position_unit="um")
    np.testing.assert_allclose(raw.positions, physical.positions, atol=1e-9)


def test_the_geometry_by_name_and_unit(nexus):
    def change(file):
        for name, value, unit in [("energy", 8.8, "keV"), ("z", 1900, "mm"), ("pixel", 75, "um")]:
            file[name] = np.array([value])
            file[name].attrs["units"] = unit

    names = Datasets(**NAMES, energy="/energy", distance="/z", detector_pixel="/pixel")
    found = read(nexus(change), datasets=names).geometry
    assert found.model_dump() == pytest.approx(OPTICS)


def test_a_wavelength_does_as_an_energy(nexus):
    def change(file):
        file["wavelength"] = 1.408910
        file["wavelength"].attrs["units"] = "angstrom"

    found = open_scan(
        Scan(path=str(nexus(change)), datasets=Datasets(**NAMES, energy="/wavelength"))
    )
    assert found.measured["energy_ev"] == pytest.approx(8800, rel=1e-4)


def test_what_is_missing_of_the_geometry_is_named(nexus, refusal_of):
    path = nexus()
    assert refusal_of(read, path, datasets=Datasets(**NAMES), energy_ev=8800.0) == (
        "positions are in metres, but the file does not give distance_m and detector_pixel_m",
        str(path),
        "Write distance_m, detector_pixel_m",
    )


def test_the_signal_of_the_default_data_needs_no_name(nexus, physical):
    def change(file):
        file.attrs["default"], file["entry"].attrs["default"] = "entry", "data"
        file["entry/data"].attrs["signal"] = "data"

    raw = read(nexus(change), **options(frames=None))
    np.testing.assert_array_equal(frames_of(raw), physical.frames.array)


def test_a_file_that_does_not_say_where_its_frames_are_names_candidates(nexus, refusal_of):
    path = nexus()
    assert refusal_of(read, path, **options(frames=None)) == (
        "it does not say where its frames are",
        str(path),
        "Write datasets.frames; perhaps /entry/data/data (30, 32, 32)",
    )


def test_a_master_file_of_a_detector_names_its_links(nexus):
    def change(file):
        del file["entry/data/data"]
        for number in (1, 2):
            link = h5py.ExternalLink(f"scan_data_{number:06d}.h5", "/entry/data/data")
            file[f"entry/data/data_{number:06d}"] = link

    with pytest.raises(UserError, match=r"perhaps /entry/data/data_\*$"):
        read(nexus(change), **options(frames=None))


def test_a_wrong_name_is_told_with_those_there_are(nexus):
    with pytest.raises(UserError) as caught:
        read(nexus(), **options(x="/entry/sample_x"))
    assert "/entry/sample_x: there is no such dataset" in str(caught.value)
    assert "/entry/x" in str(caught.value)


def test_a_pattern_that_nothing_matches_is_told_with_what_there_is(nexus, refusal_of):
    path = nexus()
    what, where, mend = refusal_of(read, path, **options(frames="/entry/data/frame_*"))
    assert (what, where) == ("no dataset matches", f"{path} /entry/data/frame_*")
    assert mend == "There are /entry/data/data, /entry/probe, /entry/x, /entry/y"


def test_a_pattern_that_more_than_frames_match_is_told(nexus, refusal_of):
    path = nexus(lambda file: file.create_dataset("entry/data/sums", data=np.ones((30, 4, 4))))
    assert refusal_of(read, path, **options(frames="/entry/data/*")) == (
        "its frames are (4, 4), those before (32, 32)",
        f"{path} /entry/data/sums",
        "Name only datasets of frames",
    )


def test_a_probe_is_needed(nexus, refusal_of):
    path = nexus()
    assert refusal_of(read, path, **options(probe=None)) == (
        "there is no probe in this file",
        str(path),
        "Write files.probe: that of another scan with the same optics",
    )


def test_a_bin_of_the_detector_has_a_good_pixel(nexus, refusal_of):
    bad = np.zeros((32, 32), bool)
    bad[::2, ::2] = True
    path = nexus(lambda file: file.create_dataset("entry/mask", data=bad))
    assert refusal_of(read, path, **options(mask="/entry/mask"), bin=2) == (
        "every bin of 2 x 2 pixels has a bad one",
        f"{path} /entry/mask",
        "Write a smaller bin",
    )


@pytest.mark.parametrize("axis", ["x", "y"])
def test_x_and_y_are_both_named(nexus, refusal_of, axis):
    path, other = nexus(), "xy".replace(axis, "")
    assert refusal_of(read, path, **options(**{axis: None})) == (
        f"datasets names {other} but not {axis}",
        str(path),
        f"Write datasets.{axis}",
    )


def test_positions_are_two_numbers_for_every_frame(nexus, refusal_of):
    path = nexus(lambda file: file.create_dataset("entry/xy", data=np.ones(60)))
    assert refusal_of(read, path, **options(x=None, y=None, positions="/entry/xy")) == (
        "positions are an array of shape (60,)",
        f"{path} /entry/xy",
        "Give frames x 2, or name x and y",
    )


@pytest.mark.parametrize(
    ("value", "what", "mend"),
    [
        (
            [8.8, 8.9, 8.9],
            "a single number is expected here, not 2 different ones",
            "Give one number",
        ),
        (8.8 + 0j, "a number is expected here, not complex128", "Give an array of plain numbers"),
    ],
)
def test_an_energy_is_one_number(nexus, refusal_of, value, what, mend):
    path = nexus(lambda file: file.create_dataset("energy", data=value))
    names = options(energy="/energy")
    assert refusal_of(read, path, datasets=names["datasets"]) == (what, f"{path} /energy", mend)


def test_positions_of_a_grid_by_their_axes(nexus, physical):
    def change(file):
        frames = file["entry/data/data"][()].reshape(5, 6, 32, 32)
        del file["entry/data/data"], file["entry/x"], file["entry/y"]
        file["entry/data/data"], file["entry/x"], file["entry/y"] = (
            frames, np.arange(6.0), 10 + np.arange(5.0))  # fmt: skip

    raw = read(nexus(change), **options(), position_unit="px")
    assert raw.positions[:3].tolist() == [[0, 10], [1, 10], [2, 10]]
    assert raw.positions[6].tolist() == [0, 11]
    np.testing.assert_array_equal(frames_of(raw), physical.frames.array)


def test_positions_of_a_grid_point_by_point(nexus, physical):
    def change(file):
        for name in ("entry/data/data", "entry/x", "entry/y"):
            old, attributes = file[name][()], dict(file[name].attrs)
            del file[name]
            file[name] = old.reshape(5, 6, *old.shape[1:])
            file[name].attrs.update(attributes)

    raw = read(nexus(change), **options())
    np.testing.assert_allclose(raw.positions, physical.positions, atol=1e-9)


def test_positions_in_one_array_and_numbers_of_frames(nexus, physical):
    def change(file):
        file["entry/places"] = np.pad(physical.positions, ((0, 0), (0, 1)))
        file["entry/numbers"] = np.arange(30) + 5

    names = options(x=None, y=None, positions="/entry/places", index="/entry/numbers")
    raw = read(nexus(change), **names, position_unit="px")
    np.testing.assert_array_equal(raw.positions, physical.positions)
    np.testing.assert_array_equal(raw.scan_index, np.arange(30) + 5)


def test_an_object_under_positions_in_pixels_is_the_reference(nexus, physical):
    def change(file):
        file["entry/object"] = physical.reference
        for axis, values in zip("xy", physical.positions.T, strict=True):
            file[f"entry/{axis}"][...] = values

    raw = read(nexus(change), **options(object="/entry/object"), position_unit="px")
    np.testing.assert_array_equal(raw.reference, physical.reference)


@pytest.mark.parametrize(
    "filter_", [hdf5plugin.Bitshuffle(cname="lz4"), hdf5plugin.LZ4(), hdf5plugin.Blosc2()]
)
def test_compressed_as_detectors_do_it(nexus, physical, filter_):
    path = nexus(chunks=(1, 32, 32), **filter_)
    np.testing.assert_array_equal(frames_of(read(path, **options())), physical.frames.array)


def test_frames_in_several_datasets_of_several_files(nexus, physical, tmp_path):
    """As EIGER detectors write them: a master file with links to numbered ones."""
    for number, part in enumerate(np.array_split(physical.frames.array, 3), 1):
        with h5py.File(tmp_path / f"scan_data_{number:06d}.h5", "w") as file:
            file["entry/data/data"] = part

    def change(file):
        del file["entry/data/data"]
        for number in (3, 1, 2):
            link = h5py.ExternalLink(f"scan_data_{number:06d}.h5", "/entry/data/data")
            file[f"entry/data/data_{number:06d}"] = link

    path, keys = nexus(change), options(frames="/entry/data/data_*")
    raw = read(path, **keys)
    np.testing.assert_array_equal(frames_of(raw, 8), physical.frames.array)
    scan = Scan(path=str(path), **keys)
    assert [one.name for one in input_files(scan)] == [
        "scan.nxs", *(f"scan_data_{number:06d}.h5" for number in (1, 2, 3))
    ]  # fmt: skip
    before = scan_identity(scan)
    with h5py.File(tmp_path / "scan_data_000002.h5", "r+") as file:
        file["entry/data/data"][0, 0, 0] += 1
    assert scan_identity(scan) != before


def test_a_virtual_dataset_counts_the_files_it_is_made_of(nexus, physical, tmp_path):
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["frames"] = physical.frames.array
    layout = h5py.VirtualLayout((30, 32, 32), physical.frames.dtype)
    layout[:] = h5py.VirtualSource("part.h5", "frames", (30, 32, 32))

    def change(file):
        del file["entry/data/data"]
        file["entry/data"].create_virtual_dataset("data", layout)

    path = nexus(change)
    np.testing.assert_array_equal(frames_of(read(path, **options())), physical.frames.array)
    files = input_files(Scan(path=str(path), **options()))
    assert [one.name for one in files] == ["scan.nxs", "part.h5"]


def test_a_part_of_the_frames_cropped_around_the_beam(nexus, physical):
    raw = read(nexus(), **options(), select="4:20:3", crop=16, centre=(14, 17))
    expected = physical.frames.array[4:20:3, 6:22, 9:25]
    np.testing.assert_array_equal(frames_of(raw), expected)
    np.testing.assert_allclose(
        np.diff(raw.positions, axis=0), np.diff(physical.positions[4:20:3], axis=0) / 2, atol=1e-9
    )


def test_bad_pixels_and_a_probe_from_other_files(nexus, physical, tmp_path):
    np.save(tmp_path / "mask.npy", physical.bad_pixels.astype(np.uint8) * 3)
    np.savez(tmp_path / "probe.npz", probe=physical.probe * 2)
    files = Files(mask=str(tmp_path / "mask.npy"), probe=str(tmp_path / "probe.npz"))
    path = nexus(lambda file: file["entry"].__delitem__("probe"))
    raw = read(path, **options(probe=None), files=files)
    np.testing.assert_array_equal(raw.bad_pixels, physical.bad_pixels)
    np.testing.assert_array_equal(raw.probe, physical.probe * 2)
    scan = Scan(path=str(path), **options(probe=None), files=files)
    assert {one.name for one in input_files(scan)} == {"scan.nxs", "mask.npy", "probe.npz"}


def test_positions_from_a_table(nexus, physical, tmp_path):
    table = tmp_path / "places.csv"
    np.savetxt(table, physical.positions[:, ::-1], delimiter=",", fmt="%.17g")
    raw = read(
        nexus(), **options(), files=Files(positions=str(table)),
        position_unit="px", position_columns=("y", "x"),
    )  # fmt: skip
    np.testing.assert_array_equal(raw.positions, physical.positions)


def test_only_as_much_is_read_as_memory_holds(nexus, physical, monkeypatch):
    monkeypatch.setattr("ptychopinn_batch.readers.hdf5frames.BLOCK_PIXELS", 4 * 32 * 32)
    found = open_scan(Scan(path=str(nexus(chunks=(3, 32, 32))), **options()))
    pieces = found.recording.pictures.pieces(range(1, 28), found.cut.box)
    assert [len(piece) for piece in pieces] == [5, 6, 6, 6, 4]  # whole chunks, from their borders


def test_a_listing_ends_however_a_file_is_knotted(tmp_path):
    with h5py.File(tmp_path / "knot.h5", "w") as file:
        for number in range(20):
            file[f"again_{number}"] = file["/"]
    assert Hdf5File(Path(tmp_path / "knot.h5")).entries() == []
