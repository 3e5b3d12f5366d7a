"""Refined stores: a scan with another probe and other positions, whole or not there at all."""

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hpc.errors import StateError, UserError
from ptychopinn_batch.data import refined
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.refined import refined_store
from ptychopinn_batch.data.store import Refinement, ScanStore

from ..contract import FRAMES, N

MARGIN = 3
RECORD = Refinement(mode_power=(0.8, 0.2), shift_rms=0.5, shift_max=1.5)
FRAMES_FILE = "arrays/frames.memmap"
NEW = {"arrays/probe.memmap", "arrays/positions.memmap", "arrays/recorded_positions.memmap"}


@pytest.fixture
def store(raw, tmp_path):
    """The scan with bad pixels and a reference: all arrays that a store may have."""
    bad = np.zeros((N, N), bool)
    bad[3, 5] = True
    return build_store(replace(raw, bad_pixels=bad), tmp_path / "store")


def found(store):
    """Two modes in place of one, and frames elsewhere."""
    probe = torch.cat([0.8**0.5 * store.probe, 0.2**0.5 * store.probe.flip(1)]).numpy()
    off = np.random.default_rng(4).uniform(-2, 2, (store.info.frames, 2))
    return {
        "probe": probe,
        "positions": store.positions.numpy() + off,
        "canvas": store.info.canvas.grown(MARGIN),
        "refinement": RECORD,
    }


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


class TestHolds:
    def test_what_was_found(self, store, tmp_path):
        expected = found(store)
        info = refined_store(store, tmp_path / "new", **expected).info
        new = ScanStore.open(tmp_path / "new")
        assert (new.probe.numpy() == expected["probe"]).all()
        assert (new.positions.numpy() == expected["positions"]).all()
        assert new.info == info
        assert (info.modes, info.canvas, info.refinement) == (2, expected["canvas"], RECORD)

    def test_everything_else_as_it_was(self, store, tmp_path):
        new = refined_store(store, tmp_path / "new", **found(store))
        for name in ("scan_index", "original_row", "mask", "reference"):
            assert torch.equal(getattr(new, name), getattr(store, name)), name
        rows = torch.arange(FRAMES)
        assert torch.equal(new.amplitudes(rows), store.amplitudes(rows))
        changed = {"modes", "canvas", "illumination_max", "content_id", "files", "refinement"}
        assert new.info.model_dump(exclude=changed) == store.info.model_dump(exclude=changed)

    def test_the_positions_of_the_scans_file(self, store, tmp_path):
        new = refined_store(store, tmp_path / "new", **found(store))
        assert store.recorded_positions is None
        assert torch.equal(new.recorded_positions, store.positions)

    def test_the_light_of_the_new_probe_at_the_new_positions(self, store, tmp_path):
        wide = found(store)
        wide["positions"] = np.repeat(store.positions.numpy().mean(0)[None], FRAMES, 0)
        new = refined_store(store, tmp_path / "new", **wide)
        assert new.info.illumination_max > 1.2 * store.info.illumination_max

    def test_another_content_than_the_scan_it_was_made_from(self, store, tmp_path):
        new = refined_store(store, tmp_path / "new", **found(store))
        assert new.info.content_id != store.info.content_id


class TestSharesFrames:
    def test_frames_are_on_the_disk_once(self, store, tmp_path):
        new = refined_store(store, tmp_path / "new", **found(store))
        assert (new.folder / FRAMES_FILE).samefile(store.folder / FRAMES_FILE)

    def test_what_is_new_is_not_shared(self, store, tmp_path):
        new = refined_store(store, tmp_path / "new", **found(store))
        for name in ("probe", "positions"):
            file = f"arrays/{name}.memmap"
            assert not (new.folder / file).samefile(store.folder / file)

    def test_the_first_store_may_be_deleted(self, store, tmp_path):
        new = refined_store(store, tmp_path / "new", **found(store))
        for path in sorted(store.folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        new.verify()
        assert len(new.amplitudes(torch.arange(FRAMES))) == FRAMES

    def test_frames_are_copied_where_a_file_system_has_no_links(self, store, tmp_path, monkeypatch):
        def refused(*_):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(refined.os, "link", refused)
        new = refined_store(store, tmp_path / "new", **found(store))
        assert not (new.folder / FRAMES_FILE).samefile(store.folder / FRAMES_FILE)
        new.verify()
        assert {path.stat().st_mode & 0o777 for path in (new.folder / "arrays").iterdir()} == {
            0o444
        }


class TestIsWholeOrNotThere:
    def test_every_file_is_described_by_size_and_hash(self, store, tmp_path):
        new = refined_store(store, tmp_path / "new", **found(store))
        new.verify()
        there = {
            path.relative_to(new.folder).as_posix()
            for path in new.folder.rglob("*")
            if path.is_file() and path.name != "scan.json"
        }
        assert {file.name for file in new.info.files} == there
        assert there >= NEW

    @pytest.mark.parametrize("name", sorted(NEW | {FRAMES_FILE, "arrays/meta.json"}))
    def test_a_file_that_was_changed_is_found_out(self, store, tmp_path, name):
        new = refined_store(store, tmp_path / "new", **found(store))
        path = new.folder / name
        content = bytearray(path.read_bytes())
        content[0] ^= 1
        path.unlink()  # another file: links keep the old one
        path.write_bytes(content)
        with pytest.raises(StateError, match="changed since it was written"):
            ScanStore.open(new.folder)

    def test_a_whole_store_is_used_as_it_is(self, store, tmp_path):
        first = refined_store(store, tmp_path / "new", **found(store))
        other = found(store) | {"positions": store.positions.numpy()}
        again = refined_store(store, tmp_path / "new", **other)
        assert again.info == first.info
        assert torch.equal(again.positions, first.positions)

    def test_a_damaged_store_is_replaced(self, store, tmp_path):
        first = refined_store(store, tmp_path / "new", **found(store))
        (first.folder / "scan.json").write_text("{")
        again = refined_store(store, tmp_path / "new", **found(store))
        assert again.info == first.info
        assert left_in(tmp_path) == {"store", "new"}

    def test_the_same_content_wherever_it_is_made(self, store, tmp_path):
        first, second = (refined_store(store, tmp_path / n, **found(store)) for n in "ab")
        assert first.info == second.info

    def test_a_full_disk_is_told_and_leaves_nothing(self, store, tmp_path, monkeypatch):
        def full(path: Path, data: object) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(UserError, match="no room for the scan store"):
            refined_store(store, tmp_path / "new", **found(store))
        assert left_in(tmp_path) == {"store"}

    def test_what_a_killed_writer_left_is_swept_by_the_next(self, store, tmp_path):
        command = [sys.executable, "-c", REFINE_IN_PROCESS, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
            assert killed.stdout.readline() == b"half way\n"
            killed.send_signal(signal.SIGKILL)
        assert not (tmp_path / "new").exists()
        assert any(name.endswith(".tmp") for name in left_in(tmp_path))
        refined_store(store, tmp_path / "new", **found(store)).verify()
        assert left_in(tmp_path) == {"store", "new"}
        store.verify()


REFINE_IN_PROCESS = """
import sys, time
from pathlib import Path
from ptychopinn_batch.data import refined
from ptychopinn_batch.data.store import Refinement, ScanStore

def stuck(*_):
    print("half way", flush=True)
    time.sleep(60)

refined._describe = stuck
store = ScanStore.open(Path(sys.argv[1]) / "store")
refined.refined_store(
    store,
    Path(sys.argv[1]) / "new",
    probe=store.probe.numpy(),
    positions=store.positions.numpy(),
    canvas=store.info.canvas,
    refinement=Refinement(mode_power=(1.0,), shift_rms=0.0, shift_max=0.0),
)
"""


def test_types_and_shapes_are_described_as_a_tensordict_has_them(store, tmp_path):
    new = refined_store(store, tmp_path / "new", **found(store))
    described = json.loads((new.folder / "arrays" / "meta.json").read_bytes())
    assert described["probe"]["shape"] == [2, N, N]
    assert described["recorded_positions"] == described["positions"]
    assert (
        described["frames"]
        == json.loads((store.folder / "arrays" / "meta.json").read_bytes())["frames"]
    )
