"""Headers and identities: what a plan knows without reading frames."""

import os
import subprocess
import sys

import numpy as np
import pytest

from hpc.errors import UserError
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data import header
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.header import input_identity, read_header
from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.readers.opened import read_scan
from ptychopinn_batch.stages.prepare import simulated

from ..contract import FRAMES, N, contract

SMALL = {"frames": 30, "frame_size": 32, "step": 3.0, "position_error": 0.5}
GEOMETRY = {"energy_ev": 8000.0, "distance_m": 2.0, "detector_pixel_m": 75e-6}


def test_the_header_of_a_file(save):
    found = read_header(Scan(path=str(save(probeGuess=np.stack([contract()["probeGuess"]] * 2)))))
    assert (found.frames, found.n, found.modes) == (FRAMES, N, 2)
    assert found.canvas == Canvas(x0=12, y0=22, height=23, width=25)


def test_the_header_of_a_simulation():
    found = read_header(Scan(simulate=Simulation(**SMALL, modes=3), frames=12))
    assert (found.frames, found.n, found.modes) == (12, 32, 3)


@pytest.mark.parametrize("options", [{}, {"frames": 12}, GEOMETRY])
def test_a_store_has_the_canvas_that_the_header_announced(save, tmp_path, options):
    path = save()
    from_file = Scan(path=str(path), **options)
    from_simulator = Scan(simulate=Simulation(**SMALL), **options)
    for number, (scan, raw) in enumerate(
        [(from_file, read_scan(from_file)), (from_simulator, simulated(from_simulator))]
    ):
        info = build_store(raw, tmp_path / str(number)).info
        found = read_header(scan)
        assert found.canvas == info.canvas
        assert (found.frames, found.n, found.modes) == (info.frames, info.n, info.modes)


def test_mistakes_are_told_before_any_frame_is_read(save):
    with pytest.raises(UserError, match="could be counts or amplitudes"):
        read_header(Scan(path=str(save(diff3d=contract("float32")["diff3d"] * 1234.567))))


def test_a_simulated_scan_whose_frames_do_not_overlap_is_refused():
    with pytest.raises(UserError, match=r"simulate.step: frames do not overlap") as caught:
        read_header(Scan(simulate=Simulation(step=20.0)))
    assert "smaller step" in str(caught.value)


def test_headers_are_read_without_torch(save):
    code = (
        "import sys; from ptychopinn_batch.data.header import read_header;"
        "from ptychopinn_batch.jobspec import Scan, Simulation;"
        f"read_header(Scan(path={str(save())!r})); read_header(Scan(simulate=Simulation()));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class TestIdentity:
    def test_is_that_of_the_content(self, tmp_path):
        (tmp_path / "a").write_bytes(b"frames")
        (tmp_path / "b").write_bytes(b"frames")
        (tmp_path / "c").write_bytes(b"fromes")
        a, b, c = (input_identity(tmp_path / name) for name in "abc")
        assert a == b != c
        assert a.size == 6

    def test_of_a_missing_file_is_an_error(self, tmp_path):
        with pytest.raises(UserError, match=r"cannot be read \(No such file or directory\)"):
            input_identity(tmp_path / "none")

    def test_of_a_large_file_follows_its_ends_its_size_and_its_time(self, tmp_path, monkeypatch):
        monkeypatch.setattr(header, "HASHED_WHOLE", 1000)
        monkeypatch.setattr(header, "SAMPLE_BYTES", 4)
        path, found = tmp_path / "large", []
        for data, seconds in [
            (b"x" * 2000, 1),
            (b"x" * 2000, 2),
            (b"x" * 2001, 1),
            (b"y" + b"x" * 1999, 1),
            (b"x" * 1999 + b"y", 1),
        ]:
            path.write_bytes(data)
            os.utime(path, (seconds, seconds))
            found.append(input_identity(path).sha256)
        assert len(set(found)) == 5
        path.write_bytes(b"x" * 2000)
        os.utime(path, (1, 1))
        assert input_identity(path).sha256 == found[0]
