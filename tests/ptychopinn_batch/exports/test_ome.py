"""OME-Zarr inside `object.zarr`: valid by its own rules, true to the object, shown by napari."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import zarr

from ptychopinn_batch.exports import ome
from ptychopinn_batch.exports.ome import remove_image, write_image
from ptychopinn_batch.objectstore import ObjectStore

CHECK = Path(__file__).parents[2] / "napari" / "check_image.py"


@pytest.fixture
def written(tmp_path, make_result):
    """A result whose object lies in an array, with its image."""

    def write(**changes):
        result = make_result(**changes)
        folder = tmp_path / "object.zarr"
        store = ObjectStore.create(folder, canvas=result.canvas, tile=64, array_key="k")
        for tile in store.tiles:
            values = (v[tile.slices] for v in (result.object, result.weight, result.seen))
            store.write_tile(tile, *values)
        write_image(result, folder / "image")
        return result, folder

    return write


def levels(folder):
    group = zarr.open_group(folder, mode="r")
    described = group.attrs["ome"]["multiscales"][0]
    return described, [group[dataset["path"]] for dataset in described["datasets"]]


def test_the_image_is_the_object(written):
    result, folder = written()
    size, phase = levels(folder)[1][0][:]
    assert np.isnan(size[~result.seen]).all()
    back = (size * np.exp(1j * phase))[result.seen]
    np.testing.assert_allclose(back, result.object[result.seen], rtol=1e-5)


@pytest.mark.parametrize("place", [None, (2e-6, -3e-6)])
def test_pixels_lie_where_products_have_them(written, place):
    result, folder = written(zero_m=place)
    described = levels(folder)[0]
    assert [axis["name"] for axis in described["axes"]] == ["c", "y", "x"]
    assert [axis.get("unit") for axis in described["axes"]] == [None, "meter", "meter"]
    scale, translation = described["datasets"][0]["coordinateTransformations"]
    pixel = result.canvas.pixel_size_m
    assert scale["scale"] == [1, pytest.approx(pixel), pytest.approx(pixel)]
    if place is None:
        first = -pixel * (np.array(result.canvas.shape) - 1) / 2
    else:
        canvas = result.canvas
        first = [place[1] + pixel * canvas.y0, place[0] + pixel * canvas.x0]
    np.testing.assert_allclose(translation["translation"][1:], first, atol=1e-15)


def test_without_geometry_lengths_are_pixels(written):
    result, folder = written(geometry=None)
    described = levels(folder)[0]
    assert all("unit" not in axis for axis in described["axes"])
    scale, translation = described["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [1, 1, 1]
    assert translation["translation"] == [0, result.canvas.y0, result.canvas.x0]


def test_smaller_copies_are_means_of_complex_pixels_in_the_same_place(written, monkeypatch):
    monkeypatch.setattr(ome, "SMALLEST", 12)
    monkeypatch.setattr(ome, "CHUNK", 8)
    result, folder = written()
    described, (finest, half, quarter, *_) = levels(folder)
    height, width = result.canvas.shape
    assert half.shape == (2, height // 2, width // 2)
    obj = np.where(result.seen, result.object, np.nan)[: height // 2 * 2, : width // 2 * 2]
    expected = obj.reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    size, phase = half[:]
    np.testing.assert_allclose(size * np.exp(1j * phase), expected, rtol=1e-5)
    moves = [d["coordinateTransformations"][1]["translation"][2] for d in described["datasets"]]
    pixel = result.canvas.pixel_size_m
    np.testing.assert_allclose(np.diff(moves[:3]), [pixel / 2, pixel], rtol=1e-6)
    assert finest.shape[0] == quarter.shape[0] == 2


def test_the_array_can_still_be_read_and_the_image_be_taken_away(written):
    result, folder = written()
    before = ObjectStore.open(folder, array_key="k").read()
    remove_image(folder / "image")
    np.testing.assert_array_equal(before.seen, ObjectStore.open(folder).read().seen)
    assert not (folder / "image").exists()
    assert "ome" not in zarr.open_group(folder, mode="r").attrs
    remove_image(folder / "image")
    assert result.canvas == ObjectStore.open(folder).header.canvas


@pytest.mark.parametrize("text", [None, "{", "{}"])
def test_an_image_lies_in_an_object_array(written, refusal_of, text):
    result, folder = written()
    (folder / "zarr.json").unlink() if text is None else (folder / "zarr.json").write_text(text)
    assert refusal_of(write_image, result, folder / "image") == (
        "this is no object array of ours",
        str(folder),
        "Delete it and submit the run again",
    )


def test_an_image_takes_the_place_of_an_older_one(written):
    result, folder = written()
    write_image(result, folder / "image")
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == [
        "image",
        "object",
        "seen",
        "weight",
    ]


def test_it_is_valid_and_napari_shows_amplitude_and_phase(written):
    """With NAPARI_PYTHON, an interpreter with napari, its reader and a validator; CI sets it."""
    result, folder = written()
    python = os.environ.get("NAPARI_PYTHON")
    if python is None:
        pytest.skip("NAPARI_PYTHON names no interpreter that has napari")
    done = subprocess.run([python, str(CHECK), str(folder)], capture_output=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["valid"] == "ome_zarr_models.v05.image.Image"
    shown = found["layers"]
    assert [layer["name"].split(": ")[-1] for layer in shown] == ["amplitude", "phase"]
    for layer in shown:
        assert layer["shape"] == list(result.canvas.shape)
        assert layer["scale"] == [pytest.approx(result.canvas.pixel_size_m)] * 2
    amplitude, phase = shown
    assert amplitude["limits"][0] < 1 < amplitude["limits"][1]
    assert phase["limits"] == [pytest.approx(-np.pi), pytest.approx(np.pi)]
    assert amplitude["mean"] == pytest.approx(
        float(np.abs(result.object[result.seen]).mean()), rel=1e-5
    )
