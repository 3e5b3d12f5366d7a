"""The benchmark of growing work on tiny scans: what it builds is what it says."""

import json
import sys

import numpy as np
import pytest
import scaling
from large_scan import some_tiles
from scaling_bench.large import N, raw_scan, work_at

from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.stages.params import InferParams


def test_a_scan_from_the_bank_has_its_frames_and_its_own_positions(tmp_path):
    store = build_store(raw_scan(600), tmp_path / "store")
    assert store.info.dtype == "uint16"
    assert tuple(store.frames.shape) == (600, N, N)
    assert len(np.unique(store.positions.numpy(), axis=0)) == 600


def test_tiles_are_taken_from_the_middle(tmp_path):
    work = work_at(40_000, tmp_path / "run")
    _, count = InferParams.of(work.infer.task).tiles
    assert count == 9
    assert InferParams.of(some_tiles(work.infer, 2).task).tiles == (3, 5)
    assert InferParams.of(some_tiles(work.infer, 7).task).tiles == (2, 9)
    assert InferParams.of(some_tiles(work.infer, 20).task).tiles == (0, 9)


def test_growth_is_told_from_one_scan_to_the_next():
    rows = [
        scaling.Row(frames=k, stage=stage, seconds=1.0, frames_per_s=k, opened=None, peak_mb=peak)
        for k, stage, peak in [(10, "prepare", 100), (10, "infer", 50), (20, "prepare", 110)]
    ]
    growth = [row.growth for row in scaling.with_growth(rows)]
    assert growth == [None, None, pytest.approx(0.1)]


def bench(words, folder, monkeypatch):
    """What the benchmark leaves."""
    monkeypatch.setattr(sys, "argv", ["x", *words.split(), "--out", str(folder)])
    scaling.main()
    return json.loads((folder / "scaling.json").read_text())


def test_it_leaves_a_row_for_every_number_of_ranks(tmp_path, monkeypatch):
    found = bench("--ranks 1 --epochs 2 --regions 2 --frames", tmp_path, monkeypatch)
    (row,) = found["ranks"]
    assert (row["ranks"], row["loss_off"], found["rows"]) == (1, 0, [])
    assert row["regions_per_s"] > 0


def test_it_leaves_a_row_for_every_stage_and_scan(tmp_path, monkeypatch):
    found = bench("--ranks --frames 64 --tiles 1", tmp_path, monkeypatch)
    rows = [(row["stage"], row["frames"]) for row in found["rows"]]
    assert rows == [("prepare", 64), ("infer", 64)]
    assert all(row["peak_mb"] > 50 for row in found["rows"])
