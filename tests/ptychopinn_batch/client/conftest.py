"""A scan as Ptychodus saves it, our own pipeline's result of it, and Ptychodus itself."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from ptychopinn_batch.data.source import ArrayFrames, Geometry
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.writers.ptychodus import write_ptychodus_folder

SCRIPT = Path(__file__).with_name("in_ptychodus.py")
OURS = [sys.executable, "-m", "ptychopinn_batch"]
QUICK = [sys.executable, str(Path(__file__).parents[1] / "one_process.py")]
STEPS = 2
SMALL = (  # a training of seconds
    "train.split=frames train.regions_per_epoch=2 train.window=48 train.frames_per_region=16 "
    "train.unroll=[2,3] train.warm=0 train.workers=0 train.pictures=0"
)


CLUSTER = str(Path(__file__).parents[2] / "cluster")


def pytest_configure(config):
    if CLUSTER not in sys.path:
        sys.path.insert(0, CLUSTER)
    config.pluginmanager.import_plugin("cluster_fixtures")


@dataclass(frozen=True)
class Ptychodus:
    """The interpreter that has Ptychodus 1.7, with ptychopinn-batch installed beside it."""

    python: str

    def do(self, what, **arguments):
        """Have `in_ptychodus.py` do something; what came of it."""
        done = self.run(str(SCRIPT), what, json.dumps(arguments, default=str))
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def batch(self, action, scan, out, *, path=""):
        """`ptychodus -b`, as it is."""
        arguments = ["-b", action, "-i", str(scan), "-o", str(out)]
        program = Path(self.python).with_name("ptychodus")
        return self.run(str(program), *arguments, path=path)

    def run(self, *arguments, path=""):
        environment = {**os.environ, "PYTHONPATH": path}
        command = [self.python, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="session")
def ptychodus():
    python = os.environ.get("PTYCHODUS_PYTHON")
    if python is None:
        pytest.skip("PTYCHODUS_PYTHON names no interpreter that has Ptychodus")
    return Ptychodus(python)


@pytest.fixture(scope="session")
def scan(tmp_path_factory):
    """Frames of two modes with bad pixels, far from the origin, with numbers of their own."""
    raw = simulate_scan(
        Simulation(frames=64, frame_size=32, step=3.0, modes=2, bad_pixels=3, photons=1e5)
    )
    raw = replace(
        raw,
        frames=ArrayFrames(np.concatenate(list(raw.frames.blocks(64)))),
        scan_index=np.arange(64) * 2 + 7,
        geometry=Geometry(energy_ev=8800.0, distance_m=1.9, detector_pixel_m=75e-6),
        zero_m=(1.25e-3, -3e-4),
        origin="scan.npz",
    )
    folder = tmp_path_factory.mktemp("scan")
    write_ptychodus_folder(raw, folder)
    return folder


def settings(folder, command=QUICK, **changes):
    """Those of the client; the program has no workers unless it is called as `OURS`."""
    return {"command": " ".join(command), "runs_folder": str(folder), "steps": STEPS, **changes}


def settings_file(path, algorithm, values):
    lines = [f"{key} = {value}" for key, value in values.items()]
    text = ["[Processing]", f"algorithm = {algorithm}", "[PtychoPINNBatch]", *lines]
    path.write_text("\n".join(text) + "\n")


def counts_of(runs):
    """How many tasks of the only run there are in which state, those in no state left out."""
    (ledger,) = runs.glob("*/ledger")
    command = [*OURS, "status", ledger.parent.name, "--runs", str(runs), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {state: n for state, n in json.loads(done.stdout)["counts"].items() if n}


@pytest.fixture(scope="session")
def pipeline(scan, tmp_path_factory):
    """Reconstructs the scan without Ptychodus; the folder of its results."""
    folder = tmp_path_factory.mktemp("pipeline")

    def submit(network="default"):
        name = f"run-{len(list(folder.glob('*.yaml')))}"
        spec = folder / f"{name}.yaml"
        wanted = {
            "version": 1,
            "name": name,
            "scans": [{"name": "scan", "path": str(scan)}],
            "model": {"pretrained": str(network)},
            "infer": {"steps": STEPS},
            "export": ["ptychodus"],
        }
        spec.write_text(json.dumps(wanted))
        command = [*QUICK, "submit", str(spec), "--runs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return folder / name / "results" / "default" / "scan"

    return submit


@pytest.fixture(scope="session")
def expected(pipeline):
    return pipeline()
