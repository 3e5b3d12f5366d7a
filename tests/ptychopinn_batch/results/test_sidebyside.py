"""Two objects side by side: in one gauge, on the pixels they share, in the same colours."""

import numpy as np
import pytest

from hpc.errors import StateError
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.results import sidebyside
from ptychopinn_batch.results.sidebyside import coloured, side_by_side

NAMES = ("one", "other")
CANVAS = Canvas(x0=3, y0=5, height=60, width=70, pixel_size_m=1e-8)


def sample(canvas):
    """The same sample on every canvas."""
    y, x = np.mgrid[: canvas.height, : canvas.width]
    x, y = x + canvas.x0, y + canvas.y0
    return (1 + 0.1 * np.sin(x / 3)) * np.exp(0.5j * np.sin(x / 5 + y / 4))


def put(folder, canvas=CANVAS, obj=None, light=None):
    store = ObjectStore.create(folder / "object.zarr", canvas=canvas, tile=256, array_key="k")
    obj = sample(canvas) if obj is None else obj
    light = np.ones(canvas.shape, np.float32) if light is None else light
    store.write_tile(store.tiles[0], obj.astype(np.complex64), light, light > 0)
    return store.folder


@pytest.fixture
def first(tmp_path):
    return put(tmp_path / "a")


def test_objects_that_differ_in_what_frames_do_not_fix_do_not_differ(first, tmp_path):
    y, x = np.mgrid[:60, :70]
    plane = np.exp(1j * (1 + 0.02 * x - 0.01 * y))
    pair = side_by_side(first, put(tmp_path / "b", obj=3 * sample(CANVAS) * plane), NAMES)
    for row in pair.rows:
        assert np.abs(row[2].image).max() < 0.02 * np.ptp(row[1].image)
    assert pair.similarity.phase_corr > 0.999
    assert pair.note == ""


def test_what_differs_is_seen_where_it_is(first, tmp_path):
    other = sample(CANVAS)
    other[20:24, 30:34] *= np.exp(0.3j)
    _, phase = side_by_side(first, put(tmp_path / "b", obj=other), NAMES).rows
    places = np.argwhere(np.abs(phase[2].image) > 0.2)
    assert (places.min(0).tolist(), places.max(0).tolist()) == ([20, 30], [23, 33])
    assert phase[2].image[21, 31] == pytest.approx(-0.3, abs=0.02)
    assert phase[0].limits == phase[1].limits


def test_they_are_compared_on_the_pixels_that_they_share(first, tmp_path):
    grown = put(tmp_path / "b", CANVAS.grown(4))
    pair = side_by_side(first, grown, NAMES)
    assert pair.rows[0][0].image.shape == CANVAS.shape
    assert pair.similarity.phase_corr > 0.999


@pytest.mark.parametrize("pixel", [2e-8, None])
def test_on_other_pixels_they_are_shown_and_not_compared(first, tmp_path, pixel):
    canvas = CANVAS.model_copy(update={"pixel_size_m": pixel})
    pair = side_by_side(first, put(tmp_path / "b", canvas), NAMES)
    assert [len(row) for row in pair.rows] == [2, 2]
    assert pair.similarity is None
    assert "on different pixels" in pair.note


def test_pixels_of_unknown_size_are_the_same_where_canvases_are_alike(tmp_path):
    canvas = CANVAS.model_copy(update={"pixel_size_m": None})
    half = canvas.model_copy(update={"height": 30, "width": 35})
    a = put(tmp_path / "a", canvas)
    assert side_by_side(a, put(tmp_path / "b", canvas.grown(2)), NAMES).similarity
    assert side_by_side(a, put(tmp_path / "c", half), NAMES).similarity is None


def test_of_large_objects_the_middle_is_compared(first, tmp_path, monkeypatch):
    monkeypatch.setattr(sidebyside, "LARGEST", 32)
    pair = side_by_side(first, put(tmp_path / "b"), NAMES)
    assert pair.rows[0][0].image.shape == (32, 32)
    assert pair.note == "the middle 32 pixels"
    inner = sample(CANVAS)[14:46, 19:51]
    assert pair.rows[0][1].image == pytest.approx(np.abs(inner), abs=1e-5)


def test_what_has_too_little_light_in_either_is_left_out(first, tmp_path):
    light = np.ones(CANVAS.shape, np.float32)
    light[:, :10], light[:, 10:12] = 0, 0.01
    pair = side_by_side(first, put(tmp_path / "b", light=light), NAMES)
    view = pair.rows[1][0]
    assert np.isnan(view.image[:, :12]).all()
    assert np.isfinite(view.image[:, 12:]).all()
    assert np.asarray(coloured(view))[..., 3].min() == 0


def test_an_object_that_is_gone_is_said_to_be(first, tmp_path):
    with pytest.raises(StateError, match="there is no object array"):
        side_by_side(first, tmp_path / "b" / "object.zarr", NAMES)
