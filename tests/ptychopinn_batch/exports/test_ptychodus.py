"""Files for Ptychodus: its keys, its coordinates, its pairing of frames with positions."""

import json
import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ptychopinn_batch import physics
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import Geometry
from ptychopinn_batch.exports.ptychodus import (
    product_of,
    write_diffraction,
    write_hdf5,
    write_npz,
)
from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.exports.training import training_scan, write_training_npz
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.opened import read_scan

SCRIPTS = Path(__file__).parents[2] / "ptychodus"
CHECK, EXPORT_ALL = SCRIPTS / "check_product.py", SCRIPTS / "export_all.py"
GEOMETRY = Geometry(energy_ev=8800.0, distance_m=1.9, detector_pixel_m=75e-6)


def exported(result, folder):
    folder.mkdir(exist_ok=True)
    product = product_of(result)
    write_hdf5(product, folder / "product.h5")
    write_npz(product, folder / "product.npz")
    write_diffraction(result, folder / "diffraction.h5")
    return folder


def corner_and_shift(folder, shape, n):
    """How Ptychodus reads a position: window corners and the rest, (K, 2) as (x, y)."""
    with h5py.File(folder / "product.h5") as file:
        geometry = file["object"].attrs
        metres = np.stack([file["probe_position_x_m"][()], file["probe_position_y_m"][()]], 1)
        pixel = np.array([geometry["pixel_width_m"], geometry["pixel_height_m"]])
        centre = np.array([geometry["center_x_m"], geometry["center_y_m"]])
    index = (metres - centre) / pixel + (np.array([shape[1], shape[0]]) - 1) / 2
    return index - (n - 1) / 2


def test_positions_mean_in_ptychodus_what_they_mean_here(tmp_path, make_result):
    result = make_result()
    n, canvas = result.store.info.n, result.canvas
    exact = corner_and_shift(exported(result, tmp_path), canvas.shape, n)
    original = result.store.positions.numpy()[result.order]
    corners, fractions = canvas.corners(original, n)
    np.testing.assert_allclose(exact, corners + fractions, atol=1e-5)


def test_every_probe_window_lies_inside_the_object(tmp_path, make_result):
    result = make_result()
    n, (height, width) = result.store.info.n, result.canvas.shape
    corner = np.trunc(corner_and_shift(exported(result, tmp_path), (height, width), n))
    assert corner.min() >= 0
    assert (corner + n <= [width, height]).all()


def test_both_names_of_the_energy_are_written(tmp_path, make_result):
    with h5py.File(exported(make_result(), tmp_path) / "product.h5") as file:
        assert file.attrs["photon_energy_eV"] == file.attrs["probe_energy_eV"] == 8800.0
        assert file.attrs["detector_object_distance_m"] == 1.9


def test_pixels_follow_far_field_sampling(tmp_path, make_result):
    with h5py.File(exported(make_result(), tmp_path) / "product.h5") as file:
        wavelength = 1.2398419843e-6 / 8800.0
        assert file["object"].attrs["pixel_width_m"] == pytest.approx(
            wavelength * 1.9 / (16 * 75e-6), rel=1e-9
        )
        assert file["probe"].attrs["pixel_width_m"] == file["object"].attrs["pixel_width_m"]


def test_a_scan_without_geometry_gets_a_nominal_one_that_is_called_so(tmp_path, make_result):
    with h5py.File(exported(make_result(geometry=None), tmp_path) / "product.h5") as file:
        assert file.attrs["photon_energy_eV"] == 8000.0
        assert "NOMINAL GEOMETRY" in file.attrs["comments"]


def test_a_known_geometry_is_not_called_nominal(tmp_path, make_result):
    with h5py.File(exported(make_result(), tmp_path) / "product.h5") as file:
        assert "NOMINAL" not in file.attrs["comments"]


def test_unseen_pixels_are_transparent_and_marked(tmp_path, make_result):
    result = make_result()
    with h5py.File(exported(result, tmp_path) / "product.h5") as file:
        obj, seen = file["object"][()], file["object_seen"][()].astype(bool)
    assert (~seen).any()
    assert (obj[~seen] == 1).all()
    np.testing.assert_array_equal(obj[seen], result.object[result.seen])


def test_the_npz_says_the_same_in_plain_arrays(tmp_path, make_result):
    folder = exported(make_result(losses=((0, 0.5), (1, 0.25))), tmp_path)
    with h5py.File(folder / "product.h5") as file, np.load(folder / "product.npz") as npz:
        for name in file:
            np.testing.assert_array_equal(npz[name], file[name][()])
        for name, value in file.attrs.items():
            assert npz[name].shape == ()
            assert npz[name][()] == value
        assert npz["object_center_x_m"][()] == 0
        assert npz["loss_values"].tolist() == [0.5, 0.25]


def test_frames_are_counts_with_dc_at_the_centre_in_the_order_of_the_file(tmp_path, make_result):
    result = make_result()
    with h5py.File(exported(result, tmp_path) / "diffraction.h5") as file:
        patterns, indexes = file["patterns"][()], file["indexes"][()]
    assert patterns.dtype == np.uint16
    assert indexes.tolist() == list(range(len(patterns)))
    row = int(np.flatnonzero(result.store.original_row.numpy() == 3)[0])
    np.testing.assert_array_equal(patterns[3], np.fft.fftshift(result.store.frames[row].numpy()))
    assert np.unravel_index(patterns.sum(0).argmax(), (16, 16)) == (8, 8)


@pytest.mark.parametrize("dtype", ["uint32", "float32"])
def test_counts_keep_the_type_of_the_detector(tmp_path, make_result, dtype):
    result = make_result(dtype=dtype)
    with h5py.File(exported(result, tmp_path) / "diffraction.h5") as file:
        assert file["patterns"].dtype == dtype
        back = np.fft.ifftshift(file["patterns"][()], axes=(1, 2))
    np.testing.assert_array_equal(back, result.store.frames.numpy()[result.order])


def test_amplitudes_of_counts_become_counts_again(tmp_path, make_result):
    counts, amplitudes = make_result(), make_result(measurement="amplitude", dtype="float32")
    with (
        h5py.File(exported(counts, tmp_path / "a") / "diffraction.h5") as a,
        h5py.File(exported(amplitudes, tmp_path / "b") / "diffraction.h5") as b,
    ):
        assert b["patterns"].dtype == np.uint16
        np.testing.assert_array_equal(a["patterns"][()], b["patterns"][()])


def test_amplitudes_of_no_counts_are_squared_and_no_more(tmp_path, make_result):
    result = make_result(measurement="amplitude", dtype="float32", gain=0.37)
    with h5py.File(exported(result, tmp_path) / "diffraction.h5") as file:
        assert file["patterns"].dtype == np.float32
        total = float((result.store.frames.double() ** 2).sum())
        assert file["patterns"][()].sum() == pytest.approx(total, rel=1e-5)


def test_scan_indexes_that_tell_frames_apart_are_kept(tmp_path, make_result):
    index = np.arange(36) * 2 + 100
    folder = exported(make_result(scan_index=index), tmp_path)
    with h5py.File(folder / "product.h5") as p, h5py.File(folder / "diffraction.h5") as d:
        assert p["probe_position_indexes"][()].tolist() == index.tolist()
        assert d["indexes"][()].tolist() == index.tolist()


def test_scan_indexes_that_number_scans_are_replaced_by_the_place_in_the_file(
    tmp_path, make_result
):
    folder = exported(make_result(scan_index=np.zeros(36, int)), tmp_path)
    with h5py.File(folder / "product.h5") as file:
        assert file["probe_position_indexes"][()].tolist() == list(range(36))


def test_bad_pixels_are_marked_where_the_detector_has_them(tmp_path, make_result):
    with h5py.File(exported(make_result(bad_pixel=(0, 3)), tmp_path) / "diffraction.h5") as file:
        assert np.argwhere(file["bad_pixels"][()]).tolist() == [[8, 11]]
        assert file["bad_pixels"].dtype == bool


def our_residual(result):
    """R of the object that is exported, by our own physics, after one common factor."""
    store, canvas = result.store, result.canvas
    corners, fractions = canvas.corners(store.positions.numpy(), store.info.n)
    probes = physics.shifted(store.probe, torch.from_numpy(fractions))
    waves = physics.exit_to_detector(
        torch.from_numpy(result.filled), torch.from_numpy(corners), probes
    )
    modelled = physics.intensity(waves).sqrt()
    measured = store.amplitudes(torch.arange(store.info.frames))
    factor = (measured * modelled).sum() / (modelled**2).sum()
    return float(((factor * modelled - measured) ** 2).sum() / (measured**2).sum())


@pytest.mark.parametrize("place", [(1.5e-3, -2.5e-4), (0.0, 0.0)])
def test_a_scan_that_lies_in_the_world_stays_where_it_is(tmp_path, make_result, place):
    result = make_result(zero_m=place)
    pixel, n = GEOMETRY.pixel_size(16), 16
    folder = exported(result, tmp_path)
    with h5py.File(folder / "product.h5") as file, np.load(folder / "product.npz") as npz:
        x, y = file["probe_position_x_m"][()], file["probe_position_y_m"][()]
        centre = [file["object"].attrs[f"center_{axis}_m"] for axis in "xy"]
        assert [npz[f"object_center_{axis}_m"][()] for axis in "xy"] == centre
    positions = result.store.positions.numpy()[result.order]
    expected = np.array(place) + pixel * (positions - n // 2 + (n - 1) / 2)
    np.testing.assert_allclose(np.stack([x, y], 1), expected, atol=1e-13)
    exact = corner_and_shift(folder, result.canvas.shape, n)
    corners, fractions = result.canvas.corners(positions, n)
    np.testing.assert_allclose(exact, corners + fractions, atol=1e-5)


def test_training_data_lie_where_the_product_does(tmp_path, make_result):
    result = make_result(zero_m=(1e-3, -2e-3))
    scan = training_scan(result)
    pixel = GEOMETRY.pixel_size(16)
    metres = np.array(scan.zero_m) + pixel * (scan.positions - 16 // 2 + 15 / 2)
    with h5py.File(exported(result, tmp_path) / "product.h5") as file:
        np.testing.assert_allclose(metres[:, 0], file["probe_position_x_m"][()], atol=1e-13)
        np.testing.assert_allclose(metres[:, 1], file["probe_position_y_m"][()], atol=1e-13)


def test_units_and_gauge_stand_in_every_file(tmp_path, make_result):
    folder = exported(make_result(), tmp_path)
    with (
        h5py.File(folder / "product.h5") as product,
        h5py.File(folder / "diffraction.h5") as frames,
    ):
        for words in ("Lengths in metres", "index (N - 1) / 2", "global phase", "sum |probe|^2"):
            assert words in product.attrs["comments"]
        assert "counts, DC at index N // 2" in frames.attrs["comments"]
    write_training_npz(make_result(), tmp_path / "train.npz")
    with np.load(tmp_path / "train.npz", allow_pickle=False) as npz:
        assert "diff3d: amplitudes" in str(npz["comments"])
        assert "patch pixel N // 2" in str(npz["comments"])


def test_what_ptychodus_wrote_leaves_with_the_same_numbers(tmp_path, make_result):
    """Through our store and back, where nothing was reconstructed. With PTYCHODUS_PYTHON."""
    python = os.environ.get("PTYCHODUS_PYTHON")
    if python is None:
        pytest.skip("PTYCHODUS_PYTHON names no interpreter that has Ptychodus")
    index = np.arange(36) * 2 + 100
    first = make_result(zero_m=(1e-3, -2e-3), scan_index=index, bad_pixel=(0, 3))
    folder = exported(first, tmp_path / "ours")
    told = {"exposure_time_s": 0.25, "mass_attenuation_m2_per_kg": 3.5, "tilt_angle_deg": -1.5}
    told |= {"tomography_angle_deg": 12.5}
    with h5py.File(folder / "product.h5", "r+") as file:
        file.attrs.update(told)
    command = [python, str(EXPORT_ALL), str(folder), str(tmp_path / "theirs")]
    subprocess.run(command, capture_output=True, check=True)
    theirs = tmp_path / "theirs" / "folder"
    store = build_store(read_scan(Scan(path=str(theirs))), tmp_path / "store")
    again = exported(unchanged(store), tmp_path / "again")
    with h5py.File(theirs / "product.h5") as a, h5py.File(again / "product.h5") as b:
        assert {name: a.attrs[name] for name in told} == told
        for name in ("detector_object_distance_m", "photon_energy_eV", *told):
            assert a.attrs[name] == b.attrs[name]
        for name in ("probe_position_x_m", "probe_position_y_m"):
            np.testing.assert_allclose(a[name][()], b[name][()], rtol=0, atol=1e-15)
        assert a["probe_position_indexes"][()].tolist() == b["probe_position_indexes"][()].tolist()
        factor = np.abs(b["probe"][()]).max() / np.abs(a["probe"][()]).max()  # ours holds the dose
        np.testing.assert_allclose(
            factor * a["probe"][()].squeeze(), b["probe"][()].squeeze(), atol=1e-4
        )
        seen = b["object_seen"][()].astype(bool)
        before, after = a["object"][()].squeeze(), b["object"][()]
        assert before.shape == after.shape  # both are the smallest that holds all patches
        np.testing.assert_allclose(before[seen] / factor, after[seen], rtol=1e-4, atol=1e-5)
    with h5py.File(theirs / "diffraction.h5") as a, h5py.File(again / "diffraction.h5") as b:
        good = ~a["bad_pixels"][()]  # bad ones are 0 after us
        np.testing.assert_array_equal(a["patterns"][()][:, good], b["patterns"][()][:, good])
        assert a["patterns"].dtype == b["patterns"].dtype
        for name in ("indexes", "bad_pixels"):
            np.testing.assert_array_equal(a[name][()], b[name][()])
        assert dict(a["patterns"].attrs) == dict(b["patterns"].attrs)


def unchanged(store):
    """A result whose object is that of the scan's own file."""
    canvas, reference = store.info.canvas, store.reference.numpy()
    rows, columns = np.indices(canvas.shape)
    rows, columns = rows + canvas.y0, columns + canvas.x0
    inside = (
        (rows >= 0) & (columns >= 0) & (rows < reference.shape[0]) & (columns < reference.shape[1])
    )
    obj = np.full(canvas.shape, np.nan, np.complex64)
    obj[inside] = reference[rows[inside], columns[inside]]
    light = np.ones(canvas.shape, np.float32)
    return Result(title="same", store=store, canvas=canvas, object=obj, seen=inside, weight=light)


def test_ptychodus_itself_models_the_frames_from_the_product(tmp_path, make_result):
    """With PTYCHODUS_PYTHON, an interpreter that has Ptychodus 1.7; CI sets it."""
    result = make_result(losses=((0, 0.5), (1, 0.25)))
    folder = exported(result, tmp_path)
    python = os.environ.get("PTYCHODUS_PYTHON")
    if python is None:
        pytest.skip("PTYCHODUS_PYTHON names no interpreter that has Ptychodus")
    done = subprocess.run([python, str(CHECK), str(folder)], capture_output=True, check=True)
    found = json.loads(done.stdout)
    noise = 0.25 * 16**2 / result.store.info.photons
    assert found["as it is"] < 2 * noise
    assert found["as it is"] == pytest.approx(our_residual(result), rel=0.1)
    assert found["npz"] == found["bound"]["residual"] == found["as it is"]
    mistakes = (
        "x negated",
        "y negated",
        "conjugate",
        "indexes shifted",
        "patterns transposed",
        "DC in the corner",
    )
    assert all(found[mistake] > 10 * found["as it is"] for mistake in mistakes), found
    assert found["half a pixel off"] > 1.5 * found["as it is"]
    assert found["indexes"] == list(range(36))
    assert found["bound"]["frames"] == 36
    assert found["bound"]["object"] == [1, *result.canvas.shape]
    assert found["losses"] == [[0, 0.5], [1, 0.25]]
