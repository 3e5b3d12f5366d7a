"""The object array: one shard a tile, whole or absent after any crash, refused when changed."""

import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr

from hpc.errors import StateError
from ptychopinn_batch.canvas import Canvas, Window
from ptychopinn_batch.objectstore import AGAIN, ObjectStore

CANVAS = Canvas(x0=-3, y0=5, height=100, width=150, pixel_size_m=1e-8)


def store_at(folder, key="k", tile=64):
    return ObjectStore.create(folder / "object.zarr", canvas=CANVAS, tile=tile, array_key=key)


def whole_object(seed=0):
    random = np.random.default_rng(seed)
    values = random.normal(size=(3, *CANVAS.shape))
    obj = (values[0] + 1j * values[1]).astype(np.complex64)
    weight = np.abs(values[2]).astype(np.float32)
    return obj, weight, weight > 0.2


def write_all(store, parts, numbers=None):
    for number, window in enumerate(store.tiles):
        if numbers is None or number in numbers:
            store.write_tile(window, *(part[window.slices] for part in parts))


def test_what_is_written_tile_by_tile_is_read_as_one_array(tmp_path):
    obj, weight, seen = whole_object()
    write_all(store_at(tmp_path), (obj, weight, seen))
    stored = ObjectStore.open(tmp_path / "object.zarr", array_key="k").read()
    np.testing.assert_array_equal(stored.object[seen], obj[seen])
    np.testing.assert_array_equal(stored.weight, weight)
    np.testing.assert_array_equal(stored.seen, seen)
    assert (stored.object.dtype, stored.weight.dtype) == (np.complex64, np.float32)


def test_unseen_pixels_are_not_a_number(tmp_path):
    obj, weight, seen = whole_object()
    write_all(store_at(tmp_path), (obj, weight, seen))
    assert np.isnan(store_at(tmp_path).read().object[~seen]).all()


def test_a_tile_is_one_file_of_each_array(tmp_path):
    store = store_at(tmp_path)
    write_all(store, whole_object(), numbers={0})
    for name in ("object", "weight", "seen"):
        files = [p for p in (store.folder / name / "c").rglob("*") if p.is_file()]
        assert [p.relative_to(store.folder / name).as_posix() for p in files] == ["c/0/0"]


@pytest.mark.parametrize(("tile", "piece"), [(64, 64), (128, 128), (192, 64), (256, 128)])
def test_a_tile_is_read_in_small_pieces_whatever_its_side(tmp_path, tile, piece):
    group = zarr.open_group(store_at(tmp_path, tile=tile).folder, mode="r")
    assert group["object"].chunks == (piece, piece)


def test_any_zarr_reader_finds_the_canvas_in_the_attributes(tmp_path):
    write_all(store_at(tmp_path), whole_object())
    group = zarr.open_group(tmp_path / "object.zarr", mode="r")
    assert Canvas.model_validate(group.attrs["canvas"]) == CANVAS
    assert group.attrs["array_key"] == "k"
    assert group["object"].metadata.dimension_names == ("y", "x")
    assert group["object"].shape == CANVAS.shape


def test_no_codec_is_a_pickle(tmp_path):
    store = store_at(tmp_path)
    assert "pickle" not in (store.folder / "object" / "zarr.json").read_text()


def test_a_tile_that_nobody_saw_is_done_when_it_is_written(tmp_path):
    obj, weight, seen = whole_object()
    write_all(store_at(tmp_path), (obj, np.zeros_like(weight), np.zeros_like(seen)))
    assert store_at(tmp_path).missing() == ()
    assert np.isnan(store_at(tmp_path).read().object).all()


def test_a_window_needs_only_its_own_tiles(tmp_path):
    parts, store = whole_object(), store_at(tmp_path)
    write_all(store, parts, numbers={1})
    window = Window(top=10, left=70, bottom=40, right=120)
    np.testing.assert_array_equal(store.read(window).weight, parts[1][window.slices])


def test_reading_is_refused_while_a_tile_is_missing(tmp_path):
    store = store_at(tmp_path)
    write_all(store, whole_object(), numbers={0, 1, 2, 3, 5})
    assert store.missing() == (4,)
    with pytest.raises(StateError, match="tile 4 has no completion record"):
        store.read()


def test_an_array_of_the_same_key_is_gone_on_with(tmp_path):
    write_all(store_at(tmp_path), whole_object(), numbers={2})
    assert [store_at(tmp_path).tile_done(k) for k in range(6)] == [False] * 2 + [True] + [False] * 3


@pytest.mark.parametrize("changed", [{"key": "other"}, {"tile": 128}])
def test_an_array_of_another_key_or_tiling_is_replaced(tmp_path, changed):
    write_all(store_at(tmp_path), whole_object())
    store = store_at(tmp_path, **changed)
    assert store.missing() == tuple(range(len(store.tiles)))
    assert not (store.folder / "object" / "c").exists()


def test_opening_an_array_of_another_key_is_refused(tmp_path, refusal_of):
    store_at(tmp_path)
    assert refusal_of(ObjectStore.open, tmp_path / "object.zarr", array_key="other") == (
        "this array was made by key k, expected other",
        str(tmp_path / "object.zarr"),
        AGAIN,
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("nothing", "there is no object array"),
        ("a foreign array", "this is no object array of ours (array_key: Field required)"),
    ],
)
def test_opening_what_is_no_object_array_is_refused(tmp_path, refusal_of, kind, expected):
    if kind == "a foreign array":
        zarr.create_group(tmp_path / "object.zarr", attributes={"canvas": "none"})
    what, *rest = refusal_of(ObjectStore.open, tmp_path / "object.zarr")
    assert what.startswith(expected)
    assert rest == [str(tmp_path / "object.zarr"), AGAIN]


def test_a_shard_whose_bytes_were_changed_is_refused(tmp_path, refusal_of):
    store = store_at(tmp_path)
    write_all(store, whole_object())
    shard = store.folder / "object" / "c" / "0" / "1"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    what, *rest = refusal_of(store.read)
    assert what.startswith("its bytes were changed (")
    assert rest == [str(store.folder), AGAIN]


@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_tile_whose_shard_is_gone_is_not_done(tmp_path, damage):
    store = store_at(tmp_path)
    write_all(store, whole_object())
    shard = store.folder / "weight" / "c" / "1" / "2"
    shard.unlink() if damage == "removed" else shard.write_bytes(shard.read_bytes()[:-9])
    assert store.missing() == (5,)
    with pytest.raises(StateError, match="tile 5 was changed"):
        store.read()


def test_a_window_that_is_no_tile_is_a_programming_error(tmp_path):
    window = Window(top=0, left=0, bottom=10, right=10)
    parts = [part[window.slices] for part in whole_object()]
    with pytest.raises(ValueError, match="no tile"):
        store_at(tmp_path).write_tile(window, *parts)


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from ptychopinn_batch.objectstore import ObjectStore
store = ObjectStore.open(Path(sys.argv[1]))
ObjectStore._complete = lambda self, number: os.kill(os.getpid(), signal.SIGKILL)
window = store.tiles[0]
store.write_tile(window, np.full(window.shape, 7 + 0j, np.complex64),
                 np.ones(window.shape, np.float32), np.ones(window.shape, bool))
"""


def test_a_tile_killed_between_shard_and_record_is_written_again(tmp_path):
    parts, store = whole_object(), store_at(tmp_path)
    write_all(store, parts)
    child = subprocess.run([sys.executable, "-c", KILLED, str(store.folder)], check=False)
    assert child.returncode == -signal.SIGKILL
    assert (store.folder / "object" / "c" / "0" / "0").exists()
    assert store_at(tmp_path).missing() == (0,)
    write_all(store, parts, numbers={0})
    np.testing.assert_array_equal(store.read().weight, parts[1])


@pytest.mark.parametrize("number", range(6))
def test_a_torn_shard_is_written_again(tmp_path, number):
    parts, store = whole_object(), store_at(tmp_path)
    write_all(store, parts)
    row, column = divmod(number, CANVAS.tile_counts(64)[1])
    for name in ("object", "weight", "seen"):
        shard = store.folder / name / "c" / str(row) / str(column)
        os.truncate(shard, shard.stat().st_size // 2)
        shard.with_name(f"{shard.name}.0123.partial").touch()
    assert store.missing() == (number,)
    write_all(store, parts, numbers={number})
    np.testing.assert_array_equal(store.read().weight, parts[1])
    assert not list(store.folder.rglob("*.partial"))


def write_some(folder, numbers):
    write_all(store_at(folder), whole_object(), numbers)


def test_two_processes_create_one_array_and_write_different_tiles_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    halves = ({0, 2, 4}, {1, 3, 5})
    writers = [context.Process(target=write_some, args=(tmp_path, half)) for half in halves]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    np.testing.assert_array_equal(store_at(tmp_path).read().weight, whole_object()[1])


def test_what_a_killed_creator_left_is_swept_away(tmp_path):
    left_over = tmp_path / f".object.zarr.{os.getpid()}.abcd1234.tmp.zarr"
    left_over.mkdir()
    store_at(tmp_path)
    assert not left_over.exists()
