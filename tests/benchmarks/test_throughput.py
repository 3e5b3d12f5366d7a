"""The benchmark of throughput on a tiny scan: what is compared is the same work."""

import json
import sys

import pytest
import throughput
import torch
from quality_bench.prepared import on_canvas, residual, whole_region
from speed_bench import ceilings, patchwise
from speed_bench.rows import Row
from speed_bench.scans import work_of
from speed_bench.tiles import Tiles

from ptychopinn_batch import physics
from ptychopinn_batch.objectstore import ObjectStore

TINY = "simulate: {frames: 100, frame_size: 32, probe_radius: 0.16, step: 3}"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    return Tiles.of(work_of(TINY, 2, tmp_path_factory.mktemp("speed") / "run", tile=64))


def test_what_is_stitched_is_what_is_written(tiles):
    obj = tiles.stitched()
    tiles.write()
    array = next(tiles.store.folder.parents[1].rglob("object-*.zarr"))
    stored = ObjectStore.open(array, array_key=tiles.params.array_key).read()
    assert stored.seen.any()
    assert torch.equal(obj[stored.seen], torch.from_numpy(stored.object[stored.seen]))


def test_true_patches_stitched_one_by_one_are_the_object(tiles):
    region, truth = whole_region(tiles.store), on_canvas(tiles.store)
    index = physics.patch_index(region.corners, region.n, region.shape[1])
    patches = truth.flatten()[index].view(len(region), region.n, region.n)
    region = region.__class__(**{**vars_of(region), "fractions": 0 * region.fractions})
    obj = patchwise.stitched(patches, region)
    lit = region.illumination > 1e-2 * region.illumination.max()
    assert (obj - truth)[lit].abs().max() < 1e-4


def vars_of(region):
    return {name: getattr(region, name) for name in region.__dataclass_fields__}


def test_every_frame_has_a_patch(tiles):
    region = throughput.first_frames(whole_region(tiles.store), 70)
    patches = patchwise.predicted(patchwise.trained(tiles.store, 0), region)
    assert patches.shape == (70, 32, 32)
    assert residual(patchwise.stitched(patches, region), region) > 0


def test_ceilings_are_those_of_this_machine():
    top = ceilings.measure(32, seconds=0.02)
    assert top.fft_frames_per_s > 100
    assert top.memory_gb_per_s == pytest.approx(top.memory_frames_per_s * 4 * 32**2 / 1e9)


def test_the_benchmark_leaves_a_row_for_every_kind_of_work(tmp_path, monkeypatch, capsys):
    words = "x --n 32 --steps 2 --frames 64 --patchwise 16 --epochs 0 --tries 1"
    monkeypatch.setattr(sys, "argv", [*words.split(), "--out", str(tmp_path)])
    monkeypatch.setattr(ceilings, "SECONDS", 0.02)
    throughput.main()
    found = json.loads((tmp_path / "throughput.json").read_text())
    rows = [Row.model_validate(row) for row in found["rows"]]
    unrolled = {(row.work, row.state) for row in rows if row.network == "unrolled"}
    parts = ("predict", "predict + stitch", "predict + stitch + write", "prepare", "infer")
    assert unrolled == {(w, s) for w in (*parts, "file to array") for s in ("cold", "warm")}
    assert [row.frames for row in rows if row.network == "cnn"] == [16, 16]
    whole = {row.work: row.seconds for row in rows if row.state == "warm" and row.peak_mb}
    assert whole["file to array"] == pytest.approx(whole["prepare"] + whole["infer"])
    assert "times as fast as the patchwise cnn" in capsys.readouterr().out
