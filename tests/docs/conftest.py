"""One tiny run for all pages, and a working folder for each of them."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from click.testing import CliRunner

from ptychopinn_batch.cli import cli
from ptychopinn_batch.data.source import Geometry
from ptychopinn_batch.jobspec import CnnSettings, Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.verdict.examine import examine
from ptychopinn_batch.writers.cxi import write_cxi
from ptychopinn_batch.writers.ptychodus import write_ptychodus_folder
from tests.ptychopinn_batch.conftest import Here

from .desk import RUN, Desk, beamline_folder, nexus_file

FEW = 15  # frames: fewer than a verdict looks at
SMALL = Simulation(frames=25, frame_size=32, step=3.0, probe_radius=0.14)
GEOMETRY = Geometry(energy_ev=8800.0, distance_m=1.9, detector_pixel_m=75e-6)


def called(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """The tiny run, and a scan in every form that the pages name."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "data").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("hpc.executors.local.Child", Here)
        called("simulate", "data/scan.npz", "--set", f"frames={FEW}")
        called("init", f"{RUN}.yaml", "--scan", "data/scan.npz")
        called("submit", f"{RUN}.yaml")
        called("simulate", "wide.npz", "--set", "frames=256", "--set", "step=14")
        called("simulate", "scan.npz", "--set", "frames=25", "--set", "step=3")
    forms(folder)
    return folder


def forms(folder):
    from ptychopinn_batch.networks.cnn import Cnn
    from ptychopinn_batch.package import Training, save_package, write_format

    raw = replace(simulate_scan(SMALL), geometry=GEOMETRY, zero_m=(0.0, 0.0))
    nexus_file(raw, folder / "scan.nxs")
    write_cxi(raw, folder / "scan.cxi")
    (folder / "ptychodus").mkdir()
    write_ptychodus_folder(raw, folder / "ptychodus")
    beamline_folder(raw, folder / "beamline")
    network = Cnn(
        CnnSettings(
            amplitude_activation="unit_sigmoid", input="amplitude", border_activation="swish"
        )
    )
    training = Training(train=None, start=None, data=())
    save_package(folder / "cnn", network, name="cnn", seed=0, training=training, metrics={})
    write_format("bundle", folder / "cnn", folder / "wts.h5.zip")


@cache
def _evidence():
    """Of the first scan that is looked at."""
    return []


def examined_once(store, network):
    """What the first scan came to: `check` reads every scan, but measures one only."""
    if not _evidence():
        _evidence().append(examine(store, network))
    return _evidence()[0]


@pytest.fixture
def desk(base, tmp_path, monkeypatch):
    """Makes the working folder of a page."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hpc.executors.local.Child", Here)
    monkeypatch.setattr("ptychopinn_batch.verdict.glance.examine", examined_once)
    return lambda text: Desk(tmp_path, base, text)
