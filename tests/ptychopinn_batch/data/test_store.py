"""Scan stores as tasks open them: one that is not what it says it is, is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from hpc.errors import StateError
from ptychopinn_batch.data import store as module
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore


@pytest.fixture
def folder(raw, tmp_path) -> Path:
    build_store(raw, tmp_path / "store")
    return tmp_path / "store"


def change(path: Path, at: int) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def test_an_opened_store_is_the_one_that_was_built(raw, folder):
    store = ScanStore.open(folder)
    store.verify()
    assert store.info.origin == "test"
    assert store.frames.dtype == torch.uint16
    assert store.positions.dtype == torch.float64
    assert store.probe.dtype == torch.complex64


def test_amplitudes_are_those_of_the_rows_asked_for(folder):
    store = ScanStore.open(folder)
    rows = torch.tensor([7, 0, 7])
    expected = np.sqrt(store.frames.numpy()[[7, 0, 7]].astype(np.float32))
    assert (store.amplitudes(rows).numpy() == expected).all()


def test_amplitudes_are_a_copy_that_may_be_changed(folder):
    store = ScanStore.open(folder)
    store.amplitudes(torch.tensor([0])).zero_()
    store.verify()
    assert store.amplitudes(torch.tensor([0])).any()


def test_frames_are_mapped_not_read(folder):
    path = str(folder / "arrays" / "frames.memmap")
    assert path not in Path("/proc/self/maps").read_text()
    frames = ScanStore.open(folder).frames
    assert path in Path("/proc/self/maps").read_text()
    assert len(frames)


def test_it_is_read_as_tensordict_reads_it(folder):
    ours, theirs = ScanStore.open(folder).arrays, TensorDict.load_memmap(folder / "arrays")
    assert set(ours) == set(theirs.keys())
    for name, value in ours.items():
        assert (value.dtype, value.shape) == (theirs[name].dtype, theirs[name].shape)
        np.testing.assert_array_equal(value.numpy(), theirs[name].numpy())


def test_what_is_changed_in_memory_does_not_get_to_the_disk(folder):
    ScanStore.open(folder).frames.numpy()[:] = 0
    store = ScanStore.open(folder)
    store.verify()
    assert store.frames.numpy().any()


def test_reading_waits_for_no_slow_import():
    code = (
        "import sys, ptychopinn_batch.data.store\n"
        "print({'tensordict', 'torch._dynamo', 'sympy', 'scipy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_its_files_cannot_be_written_to(folder):
    assert {path.stat().st_mode & 0o222 for path in (folder / "arrays").iterdir()} == {0}


class TestRefuses:
    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(StateError, match="there is no scan store here"):
            ScanStore.open(tmp_path / "none")

    def test_a_missing_or_broken_description(self, folder):
        (folder / "scan.json").write_text('{"frames": 3}')
        with pytest.raises(StateError, match=r"scan.json: this file is not a valid ScanInfo"):
            ScanStore.open(folder)
        (folder / "scan.json").unlink()
        with pytest.raises(StateError, match=r"scan.json: this file is missing"):
            ScanStore.open(folder)

    def test_another_version_of_the_description(self, folder):
        info = json.loads((folder / "scan.json").read_text())
        (folder / "scan.json").write_text(json.dumps(info | {"schema_version": 3}))
        with pytest.raises(StateError, match="schema_version"):
            ScanStore.open(folder)

    @pytest.mark.parametrize("name", ["frames", "positions", "probe", "reference"])
    def test_an_array_of_another_size(self, folder, refusal_of, name):
        path = folder / "arrays" / f"{name}.memmap"
        path.chmod(0o644)
        os.truncate(path, path.stat().st_size - 1)
        size = path.stat().st_size
        assert refusal_of(ScanStore.open, folder) == (
            f"this file of a scan store has {size} bytes, not {size + 1}",
            str(path),
            f"Delete {folder} and submit the run again",
        )

    def test_a_missing_array(self, folder, refusal_of):
        (folder / "arrays" / "probe.memmap").unlink()
        assert refusal_of(ScanStore.open, folder) == (
            "this file of a scan store is missing",
            str(folder / "arrays" / "probe.memmap"),
            f"Delete {folder} and submit the run again",
        )

    @pytest.mark.parametrize("name", ["positions.memmap", "probe.memmap", "meta.json"])
    def test_a_changed_byte_in_a_small_file(self, folder, refusal_of, name):
        change(folder / "arrays" / name, 9)
        assert refusal_of(ScanStore.open, folder) == (
            "this file of a scan store was changed since it was written",
            str(folder / "arrays" / name),
            f"Delete {folder} and submit the run again",
        )

    def test_a_changed_byte_in_the_frames_when_they_are_verified(self, folder, monkeypatch):
        monkeypatch.setattr(module, "HASHED_ON_OPENING", 2000)  # frames are larger
        change(folder / "arrays" / "frames.memmap", 5000)
        store = ScanStore.open(folder)
        with pytest.raises(StateError, match=r"frames.memmap: .* was changed"):
            store.verify()
