"""Building scan stores: what they hold, and that they are whole or not there at all."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hpc.errors import UserError
from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data import build, source
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import ArrayFrames, GeneratedFrames
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.opened import read_scan

from ..contract import FRAMES, N

STAR = Path(__file__).parents[3] / "data" / "siemens_star_128.npz"


def with_frames(raw, array, **changes):
    return replace(raw, frames=ArrayFrames(np.asarray(array)), **changes)


def in_file_order(store: ScanStore) -> np.ndarray:
    """Amplitudes as the scan's file has them: DC at the centre."""
    rows = torch.argsort(store.original_row)
    return np.fft.fftshift(store.amplitudes(rows).numpy(), axes=(1, 2))


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


class TestHolds:
    def test_every_frame_once_in_the_detectors_own_type(self, raw, tmp_path):
        store = build_store(raw, tmp_path / "store")
        np.testing.assert_allclose(in_file_order(store) ** 2, raw.frames.array, rtol=1e-6)
        assert store.info.dtype == "uint16"
        stored = tmp_path / "store" / "arrays" / "frames.memmap"
        assert stored.stat().st_size == raw.frames.array.nbytes

    @pytest.mark.parametrize("dtype", ["u1", "u4", "u8", "i2", "i8", ">u2", "f2", "f4", "f8"])
    def test_counts_of_any_type(self, raw, tmp_path, dtype):
        frames = raw.frames.array.astype(dtype)
        store = build_store(with_frames(raw, frames), tmp_path / "store")
        assert np.dtype(store.info.dtype) == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_allclose(in_file_order(store) ** 2, raw.frames.array, rtol=1e-6)

    @pytest.mark.parametrize("dtype", ["f4", "f8", "u2"])
    def test_amplitudes_as_they_are(self, raw, tmp_path, dtype):
        frames = (raw.frames.array * 1.5).astype(dtype)
        amplitudes = with_frames(raw, frames, measurement="amplitude")
        store = build_store(amplitudes, tmp_path / "store")
        assert (in_file_order(store) == frames).all()
        assert store.info.dtype == "float32"
        assert store.info.photons == pytest.approx((frames.astype(float) ** 2).sum((1, 2)).mean())
        assert store.info.amplitude_max == frames.max()

    def test_squares_of_unsigned_integers_do_not_wrap(self, raw, tmp_path):
        frames = np.full((FRAMES, N, N), 300, np.uint16)
        info = build_store(
            with_frames(raw, frames, measurement="amplitude"), tmp_path / "store"
        ).info
        assert info.photons == 300.0**2 * N * N

    def test_counts_beyond_signed_integers(self, raw, tmp_path):
        frames = np.full((FRAMES, N, N), 60000, np.uint16)
        store = build_store(with_frames(raw, frames), tmp_path / "store")
        assert store.info.photons == 60000.0 * N * N
        assert store.info.amplitude_max == pytest.approx(60000**0.5)
        assert store.amplitudes(torch.tensor([3])).max() == pytest.approx(60000**0.5)

    def test_dc_at_index_zero(self, raw, tmp_path):
        frames = np.ones((FRAMES, N, N), np.uint16)
        frames[:, N // 2, N // 2] = 100
        frames[:, N // 2, N // 2 + 1] = 50
        store = build_store(with_frames(raw, frames), tmp_path / "store")
        assert (store.frames.numpy()[:, 0, :2] == [100, 50]).all()

    def test_positions_and_indices_with_their_frames(self, raw, tmp_path):
        store = build_store(raw, tmp_path / "store")
        assert sorted(store.original_row.tolist()) == list(range(FRAMES))
        rows = store.original_row.numpy()
        assert (store.positions.numpy() == raw.positions[rows]).all()
        assert (store.scan_index.numpy() == raw.scan_index[rows]).all()

    def test_neighbours_near_each_other(self, raw, tmp_path):
        positions = build_store(raw, tmp_path / "store").positions.numpy()
        assert np.abs(np.diff(positions, axis=0)).sum(1).mean() < 4  # of 2 between neighbours

    def test_a_probe_that_carries_the_measured_photons(self, raw, tmp_path):
        modes = np.concatenate([raw.probe, 0.3j * raw.probe])
        store = build_store(replace(raw, probe=modes * 1e4), tmp_path / "store")
        photons = raw.frames.array.sum((1, 2)).mean()
        assert store.info.photons == pytest.approx(photons)
        assert float((store.probe.abs() ** 2).sum()) == pytest.approx(photons, rel=1e-5)
        assert store.info.modes == 2

    def test_a_reference_that_still_explains_the_frames_with_that_probe(self, raw, tmp_path):
        store = build_store(raw, tmp_path / "store")
        expected = raw.reference[5, 7] * raw.probe[0, 8, 8]
        assert complex(store.reference[5, 7] * store.probe[0, 8, 8]) == pytest.approx(expected)

    def test_bad_pixels_as_zeros_under_a_mask(self, raw, tmp_path):
        frames, bad = raw.frames.array.astype(np.float32), np.zeros((N, N), bool)
        bad[3, 5] = True
        frames[:, 3, 5] = np.nan
        store = build_store(with_frames(raw, frames, bad_pixels=bad), tmp_path / "store")
        good = np.fft.fftshift(store.mask.numpy())
        assert (good == ~bad).all()
        assert not in_file_order(store)[:, bad].any()
        assert store.info.photons == pytest.approx(frames[:, ~bad].sum(1).mean())

    def test_neither_mask_nor_reference_where_there_is_none(self, raw, tmp_path):
        store = build_store(replace(raw, reference=None), tmp_path / "store")
        assert store.mask is None
        assert store.reference is None

    def test_the_same_content_for_every_size_of_blocks(self, raw, tmp_path, monkeypatch):
        whole = build_store(raw, tmp_path / "whole")
        monkeypatch.setattr(source, "BLOCK_PIXELS", 3 * N * N)
        assert build_store(raw, tmp_path / "cut").info.content_id == whole.info.content_id

    def test_the_measured_star_explained_by_its_own_object_and_probe(self, tmp_path):
        store = build_store(read_scan(Scan(path=str(STAR))), tmp_path / "store")
        rows = torch.arange(0, store.info.frames, 8)
        height, width = store.reference.shape
        canvas = Canvas(x0=0, y0=0, height=height, width=width)
        corners, fractions = map(
            torch.from_numpy, canvas.corners(store.positions[rows].numpy(), store.info.n)
        )
        probes = physics.shifted(store.probe, fractions)
        waves = physics.exit_to_detector(store.reference, corners, probes)
        model, measured = physics.intensity(waves).sqrt(), store.amplitudes(rows)
        residual = (model - measured).square().sum() / measured.square().sum()
        assert float(residual) == pytest.approx(0.0118, abs=5e-4)


class TestIsWholeOrNotThere:
    def test_a_whole_store_is_used_as_it_is(self, raw, tmp_path):
        def unread(first: int, end: int):
            raise AssertionError("the frames were read again")

        first = build_store(raw, tmp_path / "store")
        again = replace(raw, frames=GeneratedFrames(FRAMES, N, np.dtype("u2"), unread))
        assert build_store(again, tmp_path / "store").info == first.info

    def test_a_damaged_store_is_replaced(self, raw, tmp_path):
        first = build_store(raw, tmp_path / "store")
        (tmp_path / "store" / "scan.json").write_text("{")
        assert build_store(raw, tmp_path / "store").info == first.info
        assert left_in(tmp_path) == {"store"}

    def test_a_broken_scan_leaves_nothing(self, raw, tmp_path):
        frames = raw.frames.array.astype(np.float32)
        frames[7, 0, 0] = np.nan
        with pytest.raises(UserError, match="frame 7 is NaN"):
            build_store(with_frames(raw, frames), tmp_path / "store")
        assert left_in(tmp_path) == set()

    @pytest.mark.parametrize("came", [FRAMES - 1, FRAMES + 1])
    def test_a_source_of_too_few_or_too_many_frames_is_refused(self, raw, tmp_path, came):
        array = np.resize(raw.frames.array, (came, N, N))

        class Lying(ArrayFrames):
            def __len__(self) -> int:
                return FRAMES

            def blocks(self, size: int):
                return iter([self.array])

        with pytest.raises(UserError, match=f"{FRAMES} frames were expected, {came} came"):
            build_store(replace(raw, frames=Lying(array)), tmp_path / "store")
        assert left_in(tmp_path) == set()

    def test_progress_is_told_and_may_stop_the_work(self, raw, tmp_path, monkeypatch):
        class Stop(Exception):
            pass

        def stop(done: int, total: int) -> None:
            told.append((done, total))
            if done >= 6:
                raise Stop

        told: list[tuple[int, int]] = []
        monkeypatch.setattr(source, "BLOCK_PIXELS", 3 * N * N)
        with pytest.raises(Stop):
            build_store(raw, tmp_path / "store", beat=stop)
        assert told == [(3, FRAMES), (6, FRAMES)]
        assert left_in(tmp_path) == set()

    @pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
    def test_a_full_disk_is_told_and_leaves_nothing(self, raw, tmp_path, monkeypatch, code):
        def full(descriptor: int, data: bytes, offset: int) -> int:
            if offset > 3000:
                raise OSError(code, os.strerror(code))
            return pwrite(descriptor, data[:100], offset)  # a part, as a nearly full disk does

        pwrite = os.pwrite
        monkeypatch.setattr(build.os, "pwrite", full)
        with pytest.raises(UserError, match="no room for the scan store") as caught:
            build_store(raw, tmp_path / "store")
        assert str(tmp_path) in str(caught.value)
        assert left_in(tmp_path) == set()

    def test_so_does_a_real_limit_on_the_size_of_files(self, tmp_path):
        """Too low first for the frames, then, when there are few of them, for the probe."""
        code = BUILD_IN_PROCESS + (
            "import resource\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
            "for frames in (20, 4):\n"
            "    try: build_store(raw(frames), folder)\n"
            "    except UserError as error: print(error)\n"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "store")]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert done.stdout.count("no room for the scan store (File too large)") == 2
        assert left_in(tmp_path) == set()

    def test_what_a_killed_builder_left_is_swept_by_the_next(self, raw, tmp_path):
        code = BUILD_IN_PROCESS + (
            "def beat(done, total): print('half way', flush=True); import time; time.sleep(60)\n"
            "build_store(raw(), folder, beat=beat)\n"
        )
        killed = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "store")], stdout=subprocess.PIPE
        )
        with killed:
            assert killed.stdout.readline() == b"half way\n"
            killed.send_signal(signal.SIGKILL)
        assert not (tmp_path / "store").exists()
        assert any(name.endswith(".tmp") for name in left_in(tmp_path))
        build_store(raw, tmp_path / "store").verify()
        assert {name for name in left_in(tmp_path) if name.endswith(".tmp")} == set()

    def test_of_two_builders_one_builds_and_the_other_takes_it(self, raw, tmp_path):
        def read(first: int, end: int):
            reads.append(first)
            working.set()
            assert other_came.wait(10)
            return raw.frames.array[first:end]

        reads: list[int] = []
        working, other_came = threading.Event(), threading.Event()
        lazy = replace(raw, frames=GeneratedFrames(FRAMES, N, np.dtype("u2"), read))
        builders = [
            threading.Thread(target=build_store, args=(lazy, tmp_path / "store")) for _ in range(2)
        ]
        builders[0].start()
        assert working.wait(10)
        builders[1].start()
        other_came.set()
        for builder in builders:
            builder.join()
        assert reads == [0]
        ScanStore.open(tmp_path / "store").verify()

    def test_memory_does_not_grow_with_the_number_of_frames(self, raw, tmp_path, monkeypatch):
        monkeypatch.setattr(source, "BLOCK_PIXELS", 16 * N * N)
        count = 3000
        made = GeneratedFrames(
            count, N, np.dtype("u2"), lambda a, b: np.ones((b - a, N, N), np.uint16)
        )
        positions = np.random.default_rng(0).uniform(100, 140, (count, 2))
        scan = replace(
            raw,
            frames=made,
            positions=positions,
            scan_index=np.zeros(count, np.int64),
            reference=None,
        )
        tracemalloc.start()
        build_store(scan, tmp_path / "store")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < count * N * N * 2 / 2


BUILD_IN_PROCESS = """
import sys
from pathlib import Path
import numpy as np
from hpc.errors import UserError
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import ArrayFrames, RawScan

folder = Path(sys.argv[1])

def raw(count=20):
    positions = np.random.default_rng(0).uniform(20, 30, (count, 2))
    frames = ArrayFrames(np.ones((count, 16, 16), np.uint8))
    return RawScan(frames, "counts", positions, np.ones((1, 16, 16), np.complex64),
                   np.arange(count), "test")
"""


def test_frames_too_faint_to_be_squared_are_refused(raw, tmp_path, refusal_of):
    faint = ArrayFrames(raw.frames.array.astype(np.float32) * 1e-33)
    what, where, mend = refusal_of(build_store, replace(raw, frames=faint), tmp_path / "store")
    assert re.match(r"the brightest pixel of all frames is .*e-3\d counts", what)
    assert (where, mend) == (
        "test",
        "Scale the frames: such numbers are lost in single precision",
    )
