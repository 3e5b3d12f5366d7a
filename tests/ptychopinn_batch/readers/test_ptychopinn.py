"""The NPZ reader: what files it understands, and what it says of those it does not."""

import tempfile
from pathlib import Path

import numpy as np
import pytest

from hpc.errors import UserError
from ptychopinn_batch.data.source import Geometry
from ptychopinn_batch.jobspec import Datasets, Files, Scan
from ptychopinn_batch.readers.npzfile import NpzFile

from ..contract import FRAMES, N, contract
from .conftest import frames_of, read, take_all

STAR = Path(__file__).parents[3] / "data" / "siemens_star_128.npz"


def refusal(path: Path, **options) -> str:
    """What is said when a scan is read to its last frame."""
    with pytest.raises(UserError) as caught:
        take_all(Scan(path=str(path), **options))
    assert str(path) in str(caught.value)
    assert caught.value.mend
    return str(caught.value)


class TestReads:
    @pytest.mark.parametrize("axis", [0, 2])
    def test_a_file_that_lacks_what_others_bring(self, save, tmp_path, axis):
        whole, order = contract(), ("frames_first", "auto", "frames_last")[axis]
        bare = save(
            diff3d=np.moveaxis(whole["diff3d"], 0, axis),
            **dict.fromkeys(("xcoords", "ycoords", "probeGuess")),
        )
        np.save(tmp_path / "probe.npy", whole["probeGuess"])
        rows = zip(whole["xcoords"].tolist(), whole["ycoords"].tolist(), strict=True)
        (tmp_path / "xy.csv").write_text("x_px,y_px\n" + "".join(f"{x},{y}\n" for x, y in rows))
        files = Files(probe=str(tmp_path / "probe.npy"), positions=str(tmp_path / "xy.csv"))
        found = read(bare, files=files, axis_order=order)
        np.testing.assert_array_equal(frames_of(found), whole["diff3d"])
        np.testing.assert_allclose(found.positions[:, 0], whole["xcoords"])
        assert "or write datasets.probe or files.probe" in refusal(save(probeGuess=None))

    @pytest.mark.parametrize("unit", ["auto", "um"])
    def test_arrays_of_other_names_that_the_spec_gives(self, unit, tmp_path):
        """One array of positions, or x and y; in pixels, or in another unit."""
        whole = contract()
        xy = np.stack([whole["xcoords"], whole["ycoords"]], 1)
        names = {"frames": "intensity", "probe": "guess", "mask": "bad", "index": "number"}
        bad = np.zeros((N, N), bool)
        bad[3, 4] = True
        held = {"intensity": whole["diff3d"], "guess": whole["probeGuess"], "bad": bad}
        held["number"] = np.arange(FRAMES)[::-1]
        if unit == "auto":
            held |= {"col": xy[:, 0], "row": xy[:, 1]}
            names |= {"x": "col", "y": "row"}
            optics = {}
        else:
            optics = {"energy_ev": 8e3, "distance_m": 1.0, "detector_pixel_m": 75e-6}
            held["pos"] = 1e6 * Geometry(**optics).pixel_size(N) * np.hstack([xy, 0 * xy])
            names["positions"] = "pos"
        np.savez(tmp_path / "own.npz", **held)
        found = read(tmp_path / "own.npz", datasets=Datasets(**names), position_unit=unit, **optics)
        np.testing.assert_array_equal(frames_of(found), whole["diff3d"])
        np.testing.assert_allclose(found.positions - found.positions[0], xy - xy[0], atol=1e-9)
        np.testing.assert_array_equal(found.scan_index, held["number"])
        np.testing.assert_array_equal(found.bad_pixels, bad)

    def test_an_array_that_the_spec_names_and_the_file_has_not(self, save):
        for part in ("frames", "x", "positions", "probe", "mask", "index", "object", "energy"):
            message = refusal(save(), datasets=Datasets(**{part: "nothing"}))
            assert "there is no nothing in this file, which holds diff3d" in message

    def test_the_shipped_measured_scan(self):
        raw = read(STAR)
        assert (len(raw.frames), raw.frames.n, len(raw.probe)) == (516, 128, 1)
        assert raw.measurement == "amplitude"
        assert raw.reference.shape == (484, 481)
        frame = next(iter(raw.frames.blocks(3)))[0].astype(float)
        row, column = (np.arange(128) @ frame.sum(axis) / frame.sum() for axis in (1, 0))
        assert (row, column) == pytest.approx((64, 64), abs=4)

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("axis", ["first", "last"])
    @pytest.mark.parametrize("block", [1, 7, 100])
    def test_frames_however_they_lie_in_the_file(self, save, compressed, order, axis, block):
        frames = contract()["diff3d"]
        stored = frames if axis == "first" else np.moveaxis(frames, 0, 2)
        path = save(compressed=compressed, diff3d=np.asarray(stored, order=order))
        found = frames_of(read(path), block)
        assert found.dtype == frames.dtype
        assert (found == frames).all()

    @pytest.mark.parametrize("dtype", ["u1", "u2", "<u4", ">u4", "i8", "f2", ">f4", "f8"])
    def test_frames_of_any_number_type(self, save, dtype):
        frames = contract()["diff3d"].astype(dtype)
        found = frames_of(read(save(diff3d=frames), measurement="counts"))
        assert (found == frames).all()
        assert found.dtype == np.dtype(dtype).newbyteorder("=")

    def test_the_other_name_of_the_frames(self, save):
        path = save(diff3d=None, diffraction=contract()["diff3d"])
        assert (frames_of(read(path)) == contract()["diff3d"]).all()

    def test_frames_with_an_idle_last_axis(self, save):
        path = save(diff3d=contract()["diff3d"][..., None])
        assert (frames_of(read(path)) == contract()["diff3d"]).all()

    def test_what_ptychodus_writes(self, save):
        modes = np.stack([contract()["probeGuess"]] * 2)
        path = save(
            diff3d=contract("uint32")["diff3d"],
            probeGuess=modes,
            bad_pixels=np.zeros((N, N), bool),
            scan_index=np.zeros(FRAMES, int),
            objectGuess=np.ones((60, 60), complex),
        )
        raw = read(path)
        assert raw.measurement == "counts"
        assert raw.probe.shape == (2, N, N)
        assert raw.bad_pixels is None
        assert raw.reference is None  # the same everywhere: a placeholder

    def test_a_probe_with_a_coherent_axis(self, save):
        path = save(probeGuess=np.stack([contract()["probeGuess"]] * 3)[None])
        assert read(path).probe.shape == (3, N, N)

    def test_only_the_first_frames_if_asked(self, save):
        raw = read(save(scan_index=np.arange(FRAMES)), frames=9)
        assert len(raw.positions) == len(raw.scan_index) == len(raw.frames) == 9
        assert (frames_of(raw) == contract()["diff3d"][:9]).all()

    def test_only_the_first_frames_of_those_stored_last(self, save):
        path = save(diff3d=np.moveaxis(contract()["diff3d"], 0, 2))
        assert (frames_of(read(path, frames=9)) == contract()["diff3d"][:9]).all()

    def test_nominal_positions_if_asked(self, save):
        start = {f"{axis}coords_start": contract()[f"{axis}coords"] + 3 for axis in "xy"}
        raw = read(save(**start), positions="start")
        assert (raw.positions[:, 0] == start["xcoords_start"]).all()

    def test_positions_swapped_then_negated(self, save):
        raw = read(save(), swap_xy=True, flip_x=True)
        assert (raw.positions[:, 0] == -contract()["ycoords"]).all()
        assert (raw.positions[:, 1] == contract()["xcoords"]).all()

    def test_an_object_under_the_positions_as_reference(self, save):
        obj = np.arange(60 * 50).reshape(60, 50) * (1 + 1j)
        raw = read(save(objectGuess=obj))
        assert (raw.reference == obj.astype(np.complex64)).all()
        assert not raw.reference_is_truth

    def test_no_object_that_lies_elsewhere(self, save, caplog):
        obj = np.arange(20 * 20).reshape(20, 20) * (1 + 1j)
        assert read(save(objectGuess=obj)).reference is None
        assert "positions lie outside" in caplog.text

    def test_a_missing_object_that_ptychopinn_wrote_as_none(self, save):
        assert read(save(objectGuess=np.array(None))).reference is None

    def test_bad_pixels_which_may_hold_anything(self, save):
        frames, bad = contract("float32")["diff3d"], np.zeros((N, N), bool)
        bad[3, 5] = True
        frames[:, 3, 5] = np.nan
        path = save(diff3d=frames, bad_pixels=bad)
        take_all(Scan(path=str(path)))
        assert (read(path).bad_pixels == bad).all()

    def test_the_geometry_of_the_spec(self, save):
        raw = read(save(), energy_ev=8000.0, distance_m=2.0, detector_pixel_m=75e-6)
        assert raw.geometry == Geometry(energy_ev=8000, distance_m=2, detector_pixel_m=75e-6)


class TestMeasurement:
    def test_integers_are_counts(self, save):
        assert read(save()).measurement == "counts"

    def test_whole_floats_are_counts(self, save):
        assert read(save(diff3d=contract("float32")["diff3d"])).measurement == "counts"

    def test_roots_of_whole_numbers_are_amplitudes(self, save):
        roots = np.sqrt(contract("float32")["diff3d"])
        assert read(save(diff3d=roots)).measurement == "amplitude"

    def test_fractions_of_the_size_of_amplitudes_are_amplitudes(self, save):
        frames = np.sqrt(contract("float32")["diff3d"]) * 0.37
        assert read(save(diff3d=frames)).measurement == "amplitude"

    def test_large_fractions_are_asked_about(self, save):
        frames = contract("float32")["diff3d"] * 1234.567
        message = refusal(save(diff3d=frames))
        assert "diff3d: the frames could be counts or amplitudes" in message
        assert "measurement: counts" in message

    @pytest.mark.parametrize("word", ["counts", "amplitude"])
    def test_the_spec_has_the_last_word(self, save, word):
        assert read(save(), measurement=word).measurement == word


class TestRefuses:
    def test_a_missing_file(self, tmp_path):
        assert "no such file" in refusal(tmp_path / "none.npz")

    def test_a_folder(self, tmp_path):
        with pytest.raises(UserError, match="this is a folder without scans"):
            read(tmp_path)

    def test_what_is_not_a_zip_file(self, tmp_path):
        path = tmp_path / "scan.npz"
        path.write_text("hello")
        assert "this is not an NPZ file" in refusal(path)

    def test_a_single_array(self, tmp_path):
        np.save(tmp_path / "scan.npy", np.zeros(3))
        assert "one array (NPY)" in refusal(tmp_path / "scan.npy")

    def test_a_file_that_is_cut_off(self, save):
        path = save()
        path.write_bytes(path.read_bytes()[:-1000])
        assert "this NPZ file is cut off" in refusal(path)

    @pytest.mark.parametrize("compressed", [False, True])
    def test_damage_inside_the_frames(self, save, compressed):
        path = save(compressed=compressed)
        data = bytearray(path.read_bytes())
        data[1500] ^= 0xFF
        path.write_bytes(data)
        assert "diff3d: this array is damaged or cut off" in refusal(path)

    @pytest.mark.parametrize("compressed", [False, True])
    def test_any_damage_without_a_traceback(self, save, compressed):
        path, random = save(compressed=compressed), np.random.default_rng(0)
        whole, refused = path.read_bytes(), 0
        for _ in range(150):
            data = bytearray(whole[: random.integers(len(whole) // 2, len(whole) + 1)])
            for at in random.choice([random.integers(300), len(data) - random.integers(1, 300)], 3):
                data[at] = random.integers(256)
            path.write_bytes(data)
            try:
                take_all(Scan(path=str(path)))
            except UserError:
                refused += 1
        assert refused > 100

    @pytest.mark.parametrize("key", ["diff3d", "xcoords", "ycoords", "probeGuess"])
    def test_a_missing_array_naming_those_there_are(self, save, key):
        message = refusal(save(**{key: None}))
        found = ", ".join(sorted(contract().keys() - {key}))
        wanted = "diff3d or diffraction" if key == "diff3d" else key
        assert f"there is no {wanted} in this file, which holds {found}. Add {wanted}" in message

    def test_nominal_positions_that_are_not_there(self, save):
        assert "there is no xcoords_start" in refusal(save(), positions="start")

    @pytest.mark.parametrize("key", ["diff3d", "xcoords", "probeGuess"])
    def test_pickled_arrays(self, save, key):
        message = refusal(save(**{key: contract()[key].astype(object)}))
        told = "this array is a pickled Python object, which is never opened. Save it again"
        assert f"{key}: {told}" in message

    @pytest.mark.parametrize(
        ("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite"), (-1, "negative")]
    )
    def test_broken_numbers_naming_the_frame(self, save, value, word):
        frames = contract("float32")["diff3d"]
        frames[11, 2, 3] = value
        message = refusal(save(diff3d=frames))
        assert "frame 11 is" in message
        assert word in message
        assert "row 2, column 3" in message

    def test_the_marks_of_dead_pixels_unless_they_are_masked(self, save):
        frames, bad = contract("uint32")["diff3d"], np.zeros((N, N), bool)
        frames[:, 4, 6] = 2**32 - 1
        bad[4, 6] = True
        message = refusal(save(diff3d=frames))
        assert "frame 0 is marked as dead in 1 pixels, first at row 4, column 6" in message
        assert "bad_pixels" in message
        take_all(Scan(path=str(save(diff3d=frames, bad_pixels=bad))))

    def test_more_positions_than_frames(self, save):
        message = refusal(save(diff3d=contract()["diff3d"][:-1]))
        assert message.endswith(
            f"diff3d: positions are given for {FRAMES} frames, but the frames array is "
            f"({FRAMES - 1}, {N}, {N}). Give one position per frame, or the axis_order"
        )

    def test_x_and_y_of_unequal_length(self, save):
        assert "19 x but 20 y" in refusal(save(xcoords=contract()["xcoords"][1:]))

    def test_positions_that_are_not_numbers(self, save):
        x = contract()["xcoords"]
        x[[4, 7]] = np.nan
        message = refusal(save(xcoords=x))
        assert "2 positions are NaN or infinite (frames 4, 7)" in message

    def test_frames_without_light_naming_them(self, save):
        frames = contract()["diff3d"]
        frames[[2, 5]] = 0
        assert "2 of 20 frames hold nothing but zeros: 2, 5" in refusal(save(diff3d=frames))

    def test_many_frames_without_light_naming_a_few(self, save):
        frames = contract()["diff3d"]
        frames[3:] = 0
        assert "12 and 7 more" in refusal(save(diff3d=frames))

    def test_a_probe_of_another_size(self, save):
        message = refusal(save(probeGuess=np.ones((32, 32), complex)))
        assert "the probe is 1 x 32 x 32, but frames are 16 x 16" in message

    @pytest.mark.parametrize(("value", "word"), [(0, "zero everywhere"), (np.nan, "NaN")])
    def test_a_probe_without_light(self, save, value, word):
        assert word in refusal(save(probeGuess=np.full((N, N), value, np.complex64)))

    def test_a_real_probe(self, save):
        assert "the probe is real" in refusal(save(probeGuess=np.ones((N, N))))

    def test_frames_that_do_not_overlap(self, save):
        far = {axis: contract()[axis] * 20 for axis in ("xcoords", "ycoords")}
        message = refusal(save(**far))
        assert "frames do not overlap: neighbours are 40 pixels apart" in message
        assert "Positions are object pixels" in message

    def test_a_single_frame(self, save):
        one = {key: contract()[key][:1] for key in ("diff3d", "xcoords", "ycoords")}
        assert "this one has 1" in refusal(save(**one))

    def test_frames_of_odd_size(self, save):
        message = refusal(save(diff3d=contract()["diff3d"][:, 1:, 1:]))
        assert "odd size, 15 x 15" in message
        assert "crop: 14" in message

    def test_frames_that_are_not_square(self, save):
        assert "16 x 14 pixels, not square" in refusal(save(diff3d=contract()["diff3d"][:, :, 2:]))

    def test_a_cube_whose_axes_cannot_be_told_apart(self, save):
        cut = {key: contract()[key][:N] for key in ("diff3d", "xcoords", "ycoords")}
        path = save(**cut)
        assert refusal(path).endswith(
            "diff3d: frames could lie along the first or the last axis of (16, 16, 16). Write "
            "axis_order: frames_first, or axis_order: frames_last"
        )
        found = frames_of(read(path, axis_order="frames_last"))
        assert (found == np.moveaxis(cut["diff3d"], 2, 0)).all()

    def test_an_axis_order_that_does_not_fit(self, save):
        assert "positions are given for 20" in refusal(save(), axis_order="frames_last")

    def test_frames_of_complex_numbers(self, save):
        assert "not real numbers" in refusal(save(diff3d=contract()["diff3d"] * 1j))

    def test_frames_of_two_axes(self, save):
        assert "2 axes" in refusal(save(diff3d=contract()["diff3d"][0]))

    def test_positions_in_metres(self, save):
        metres = {axis: contract()[axis] * 1e-8 for axis in ("xcoords", "ycoords")}
        assert "they look like metres" in refusal(save(**metres))

    def test_a_part_of_the_geometry(self, save):
        message = refusal(save(), energy_ev=8e3)
        assert "the geometry lacks distance_m and detector_pixel_m" in message

    def test_positions_that_are_all_the_same(self, save):
        same = {axis: contract()[axis] * 0 for axis in ("xcoords", "ycoords")}
        assert "all frames have the same position" in refusal(save(**same))

    def test_a_canvas_that_no_memory_holds(self, save):
        huge = {axis: contract()[axis] * 1e9 for axis in ("xcoords", "ycoords")}
        message = refusal(save(**huge))
        assert "the canvas would be" in message
        assert "GB" in message
        assert "positions span 8e+09 pixels" in message

    def test_more_frames_asked_for_than_there_are(self, save):
        assert "21 asked for, the file has 20" in refusal(save(), frames=21)

    def test_a_scan_index_of_another_length(self, save):
        assert "scan_index: 3 numbers" in refusal(save(scan_index=np.arange(3)))

    @pytest.mark.parametrize("bad", [np.ones((N, N), bool), np.zeros((3, 3), bool)])
    def test_a_mask_that_leaves_nothing_or_has_another_shape(self, save, bad):
        assert "bad_pixels: a mask of shape" in refusal(save(bad_pixels=bad))

    def test_no_room_to_turn_frames_stored_last(self, save, monkeypatch, refusal_of):
        def full(*_: object, **__: object):
            raise OSError(28, "No space left on device")
            yield

        path = save(diff3d=np.moveaxis(contract()["diff3d"], 0, 2))
        raw = read(path)
        monkeypatch.setattr(NpzFile, "chunks", full)
        assert refusal_of(frames_of, raw) == (
            f"no room to turn this array, frames last, in {tempfile.gettempdir()}",
            f"{path} diff3d",
            "Set TMPDIR to a larger disk, or save frames first",
        )

    def test_a_folder_with_the_name_of_a_file(self, tmp_path):
        (tmp_path / "scan.npz").mkdir()
        message = refusal(tmp_path / "scan.npz", format="ptychopinn")
        assert "scan.npz: this file cannot be read (Is a directory). Check the path" in message

    def test_an_energy_of_two_numbers(self, save):
        message = refusal(save(photon_energy_eV=np.array([8e3, 9e3])))
        told = "a single number is expected here, not float64 of shape (2,). Save it again"
        assert f"photon_energy_eV: {told}" in message


def test_an_array_is_read_in_pieces_of_bounded_size(save):
    pieces = list(NpzFile(save(compressed=True)).chunks("diff3d", 1000))
    assert {len(piece) for piece in pieces[:-1]} == {1000}
    assert (np.concatenate(pieces) == contract()["diff3d"].ravel()).all()
