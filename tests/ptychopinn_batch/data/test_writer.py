"""Files in PtychoPINN's contract: what is written is what is read, without pickles."""

from dataclasses import replace

import numpy as np
import pytest

from ptychopinn_batch.data.source import ArrayFrames
from ptychopinn_batch.data.writer import write_npz
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.opened import read_scan

from ..contract import FRAMES, N

CONTRACT = {
    "diff3d": ((FRAMES, N, N), np.float32),
    "xcoords": ((FRAMES,), np.float64),
    "ycoords": ((FRAMES,), np.float64),
    "xcoords_start": ((FRAMES,), np.float64),
    "ycoords_start": ((FRAMES,), np.float64),
    "probeGuess": ((N, N), np.complex64),
    "objectGuess": ((60, 50), np.complex64),
    "scan_index": ((FRAMES,), np.int64),
    "measurement": ((), np.str_),
    "comments": ((), np.str_),
}


def test_the_keys_shapes_and_types_are_those_of_the_contract(raw, tmp_path):
    write_npz(raw, tmp_path / "scan.npz")
    with np.load(tmp_path / "scan.npz", allow_pickle=False) as file:
        assert {key: (file[key].shape, file[key].dtype.type) for key in file} == CONTRACT
        np.testing.assert_allclose(file["diff3d"] ** 2, raw.frames.array, rtol=1e-6)


def test_what_is_written_is_what_is_read(raw, tmp_path):
    bad = np.zeros((N, N), bool)
    bad[2, 9] = True
    rich = replace(raw, probe=np.concatenate([raw.probe, 0.5j * raw.probe]), bad_pixels=bad)
    path = tmp_path / "scan.npz"
    write_npz(rich, path)
    back = read_scan(Scan(path=str(path)))
    assert back.measurement == "amplitude"
    for name in ("positions", "probe", "scan_index", "bad_pixels", "reference"):
        assert (getattr(back, name) == getattr(rich, name)).all(), name


def test_as_many_frames_as_a_frame_has_rows_are_no_riddle_to_their_own_reader(raw, tmp_path):
    frames = ArrayFrames(np.random.default_rng(3).poisson(20, (FRAMES, FRAMES, FRAMES)))
    probe = np.ones((1, FRAMES, FRAMES), np.complex64)
    write_npz(replace(raw, frames=frames, probe=probe, reference=None), tmp_path / "scan.npz")
    back = read_scan(Scan(path=str(tmp_path / "scan.npz")))
    stored = np.concatenate(list(back.frames.blocks(7)))
    np.testing.assert_allclose(stored**2, frames.array, rtol=1e-6)


def test_amplitudes_are_written_as_they_are(raw, tmp_path):
    frames = ArrayFrames(np.sqrt(raw.frames.array).astype(np.float32))
    write_npz(replace(raw, frames=frames, measurement="amplitude"), tmp_path / "scan.npz")
    with np.load(tmp_path / "scan.npz") as file:
        assert (file["diff3d"] == frames.array).all()


def test_bad_pixels_become_zero_whatever_they_held(raw, tmp_path):
    frames, bad = raw.frames.array.astype(np.float32), np.zeros((N, N), bool)
    bad[0, 0] = True
    frames[:, 0, 0] = -1
    write_npz(replace(raw, frames=ArrayFrames(frames), bad_pixels=bad), tmp_path / "scan.npz")
    with np.load(tmp_path / "scan.npz") as file:
        assert not file["diff3d"][:, 0, 0].any()


def test_a_writer_that_fails_leaves_the_older_file(raw, tmp_path):
    path = tmp_path / "scan.npz"
    write_npz(raw, path)
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_npz(replace(raw, positions=None), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_recorded_positions_stay_beside_refined_ones(raw, tmp_path):
    path, recorded = tmp_path / "scan.npz", raw.positions + np.array([0.5, -0.25])
    write_npz(replace(raw, recorded_positions=recorded), path)
    for which, expected in (("final", raw.positions), ("start", recorded)):
        back = read_scan(Scan(path=str(path), positions=which))
        np.testing.assert_array_equal(back.positions, expected)


def test_where_nothing_was_refined_both_are_the_same(raw, tmp_path):
    write_npz(raw, tmp_path / "scan.npz")
    with np.load(tmp_path / "scan.npz") as file:
        assert (file["xcoords_start"] == file["xcoords"]).all()
        assert (file["ycoords_start"] == file["ycoords"]).all()
