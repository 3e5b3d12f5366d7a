"""Runs of stages that do nothing, with something in the folders that they leave behind."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import ptychopinn_batch
from hpc.paths import RunPaths
from hpc.submission import read_plan
from ptychopinn_batch.stages.params import StageParams
from ptychopinn_batch.training.paths import TrainingPaths

TESTS = Path(__file__).parents[1]
SHIPPED = Path(ptychopinn_batch.__file__).parent / "pretrained"

SPEC = """\
version: 1
name: {name}
scans:
  - name: star
    {scan}
model: {{pretrained: none}}
train: {{split: frames}}
"""
SIMULATED = "simulate: {frames: 20, frame_size: 32}"
FILE = "path: star.npz"


class Night:
    """A run that is submitted and done."""

    def __init__(self, name, call, scan):
        self.spec = Path(f"{name}.yaml")
        self.spec.write_text(SPEC.format(name=name, scan=scan))
        self.paths = RunPaths(Path("runs"), name)
        self._call = call
        self.submit()
        for folder in (self.store, self.training.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "large").write_bytes(b"x" * 10_000)
        package = self.training.package
        shutil.rmtree(package)
        shutil.copytree(next(SHIPPED.iterdir()), package)

    def submit(self, *options):
        """What it prints, whatever comes of it."""
        return self._call("submit", self.spec, *options)[1]

    def key(self, stage):
        return next(task.key for task in read_plan(self.paths).tasks if task.stage == stage)

    @property
    def store(self):
        return self.paths.store(self.key("prepare"))

    @property
    def training(self):
        return TrainingPaths(self.paths.training(self.key("train")))


def fake_entry(cls):
    return f"fake_stages:{'finalize' if cls.stage == 'finalize' else 'quiet'}"


@pytest.fixture
def night(here, call, monkeypatch):
    """Makes runs in an empty working folder."""
    (here / "fakes").mkdir()
    monkeypatch.setenv("FAKES", str(here / "fakes"))
    monkeypatch.syspath_prepend(str(TESTS))
    monkeypatch.setattr(StageParams, "entry", classmethod(fake_entry))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS)]))

    def make(name="night", scan=SIMULATED):
        return Night(name, call, scan)

    return make


@pytest.fixture
def measured(here):
    """A scan in a file, and what a spec says of it."""
    y, x = np.mgrid[:6, :6] * 3.0
    rng = np.random.default_rng(0)
    np.savez(
        here / "star.npz",
        diffraction=rng.poisson(3, (36, 32, 32)).astype(np.float32),
        probeGuess=np.ones((32, 32), np.complex64),
        objectGuess=np.ones((64, 64), np.complex64),
        xcoords=x.ravel() + 20,
        ycoords=y.ravel() + 20,
    )
    return FILE
