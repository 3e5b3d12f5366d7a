"""Files for Ptychodus: its keys, its coordinates, its pairing of frames with positions."""

import json
import os
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest

from ptychopinn_batch.export.ptychodus import (
    product_of,
    write_diffraction,
    write_hdf5,
    write_npz,
)

CHECK = Path(__file__).parents[2] / "ptychodus" / "check_product.py"


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
    assert found["npz"] == found["bound"]["residual"] == found["as it is"]
    mistakes = ("x negated", "y negated", "conjugate", "patterns transposed", "DC in the corner")
    assert all(found[mistake] > 10 * found["as it is"] for mistake in mistakes), found
    assert found["half a pixel off"] > 1.5 * found["as it is"]
    assert found["indexes"] == list(range(36))
    assert found["bound"]["frames"] == 36
    assert found["bound"]["object"] == [1, *result.canvas.shape]
    assert found["losses"] == [[0, 0.5], [1, 0.25]]
