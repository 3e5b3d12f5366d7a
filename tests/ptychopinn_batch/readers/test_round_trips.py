"""What is written in any format is read back the same: positions, frames, probe, object."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ptychopinn_batch.data.source import ArrayFrames, patch_middle
from ptychopinn_batch.writers.registry import WRITERS

from .conftest import GEOMETRY, frames_of, read

EXPORT = Path(__file__).parents[2] / "ptychodus" / "export_all.py"
NAMES = {"ptychopinn": "a.npz", "ptychodus": "a", "ptychodus_training": "a.h5", "cxi": "a.cxi"}
METRES = 1e-9  # what positions may differ by; in fact they differ by 1e-18


def written(raw, name, folder):
    folder.mkdir(exist_ok=True)
    path = folder / NAMES[name]
    WRITERS[name].write(raw, path)
    return path


def counts_of(raw):
    frames = frames_of(raw)
    if raw.measurement == "amplitude":
        frames = np.rint(frames.astype(np.float64) ** 2)
    return frames if raw.bad_pixels is None else np.where(raw.bad_pixels, 0, frames)


def metres_of(raw):
    pixel = raw.geometry.pixel_size(raw.frames.n)
    return np.array(raw.zero_m) + pixel * (raw.positions - patch_middle(raw.frames.n))


def assert_same(back, raw, *, placed=True, numbered=True):
    """placed: the format knows where in the world a scan lies; numbered: its frames' numbers."""
    np.testing.assert_array_equal(counts_of(back), counts_of(raw))
    shift = 0 if placed else metres_of(back)[0] - metres_of(raw)[0]
    np.testing.assert_allclose(metres_of(back) - shift, metres_of(raw), rtol=0, atol=METRES)
    assert back.geometry.pixel_size(32) == pytest.approx(raw.geometry.pixel_size(32), rel=1e-12)
    np.testing.assert_allclose(back.probe, raw.probe, rtol=1e-6)
    np.testing.assert_array_equal(back.bad_pixels, raw.bad_pixels)
    np.testing.assert_array_equal(under(back), under(raw))
    if numbered:
        np.testing.assert_array_equal(back.scan_index, raw.scan_index)


def under(raw):
    """The object under all patches, however large its array is."""
    n = raw.frames.n
    first = np.floor(raw.positions.min(0) - n // 2 + 1e-6).astype(int)
    last = np.floor(raw.positions.max(0) - n // 2 + 1e-6).astype(int) + n
    return raw.reference[first[1] : last[1], first[0] : last[0]]


@pytest.mark.parametrize("second", WRITERS)
@pytest.mark.parametrize("first", WRITERS)
def test_a_scan_written_in_one_format_and_then_in_another_is_the_same(
    first, second, physical, tmp_path
):
    once = read(written(physical, first, tmp_path / "first"))
    twice = read(written(once, second, tmp_path / "second"))
    told = "ptychodus_training" not in (first, second)
    assert_same(once, physical, placed=first != "ptychodus_training", numbered=first not in UNNAMED)
    assert_same(twice, physical, placed=told, numbered=not {first, second} & UNNAMED)


UNNAMED = {"ptychodus_training"}  # knows neither the place of a scan nor the numbers of its frames


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", WRITERS)
def test_counts_of_any_type_come_back_exactly(name, dtype, physical, tmp_path):
    random = np.random.default_rng(0)
    largest = 250 if dtype == "uint8" else 60_000 if dtype == "uint16" else 2**31 - 10
    frames = random.integers(0, largest, (30, 32, 32)).astype(dtype)
    back = read(written(replace(physical, frames=ArrayFrames(frames)), name, tmp_path))
    np.testing.assert_array_equal(counts_of(back), np.where(physical.bad_pixels, 0, frames))


@pytest.mark.parametrize("name", WRITERS)
def test_amplitudes_that_are_no_roots_of_counts_come_back_exactly(name, physical, tmp_path):
    frames = np.random.default_rng(0).uniform(0, 30, (30, 32, 32)).astype(np.float32)
    raw = replace(physical, frames=ArrayFrames(frames), measurement="amplitude", bad_pixels=None)
    back = read(written(raw, name, tmp_path))
    found = frames_of(back)
    found = np.sqrt(found) if back.measurement == "counts" else found
    np.testing.assert_array_equal(found.astype(np.float32), frames)


@pytest.mark.parametrize("name", ["ptychodus", "ptychodus_training", "cxi"])
def test_patches_that_stick_out_of_the_object_lie_on_one_that_is_large_enough(
    name, physical, tmp_path
):
    tight = physical.reference[4:-4, 6:-6]
    raw = replace(physical, reference=tight, positions=physical.positions - [6, 4])
    back = read(written(raw, name, tmp_path))
    corner = np.floor(back.positions - 16)
    assert (corner >= 0).all()
    assert (corner + 32 <= np.array(back.reference.shape[::-1])).all()
    offset = np.rint(back.positions[0] - raw.positions[0]).astype(int)
    x, y = offset
    np.testing.assert_array_equal(back.reference[y:, x:][: len(tight), : tight.shape[1]], tight)


@pytest.mark.parametrize("name", ["ptychodus", "cxi"])
def test_a_scan_without_place_or_geometry_gets_one_that_is_called_nominal(name, physical, tmp_path):
    back = read(written(replace(physical, geometry=None, zero_m=None), name, tmp_path))
    np.testing.assert_allclose(
        np.diff(back.positions, axis=0), np.diff(physical.positions, axis=0), atol=1e-9
    )


@pytest.fixture(scope="module")
def exported(physical, tmp_path_factory):
    """Our folder, opened by Ptychodus and saved again in everything it writes."""
    python = os.environ.get("PTYCHODUS_PYTHON")
    if python is None:
        pytest.skip("PTYCHODUS_PYTHON names no interpreter that has Ptychodus")
    folder = tmp_path_factory.mktemp("ptychodus")
    ours = written(physical, "ptychodus", folder / "ours")
    command = [python, str(EXPORT), str(ours), str(folder / "theirs")]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "theirs", json.loads(done.stdout.splitlines()[-1])


class TestPtychodusItself:
    """With PTYCHODUS_PYTHON, an interpreter that has Ptychodus 1.7; CI sets it."""

    def test_it_sees_every_frame_with_its_position(self, exported, physical):
        found = exported[1]
        assert found["indexes"] == physical.scan_index.tolist()
        np.testing.assert_allclose(found["positions"], metres_of(physical), rtol=0, atol=1e-15)

    @pytest.mark.parametrize(
        "path", ["folder", "product.npz", "product.cxi", "diffraction.cxi", "core"]
    )
    def test_what_it_saves_is_the_same_scan(self, exported, physical, path):
        assert_same(read(exported[0] / path), physical, numbered=not path.endswith(".cxi"))

    @pytest.mark.parametrize("path", ["training.npz", "training.h5"])
    def test_its_training_data_are_the_same_scan(self, exported, physical, path):
        back = read(exported[0] / path)
        geometry = {} if back.geometry else {"geometry": GEOMETRY}
        back = replace(back, **geometry, zero_m=back.zero_m or (0.0, 0.0))
        assert_same(back, physical, placed=False, numbered=False)
