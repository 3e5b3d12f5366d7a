"""One tiny run for all pages, and a working folder for each of them."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from ptychopinn_batch.cli import cli
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import Geometry
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import best_device
from ptychopinn_batch.jobspec import CnnSettings, Simulation
from ptychopinn_batch.networks.cnn import Cnn
from ptychopinn_batch.package import Training, save_package, write_format
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.examine import examine, shipped
from ptychopinn_batch.writers.cxi import write_cxi
from ptychopinn_batch.writers.ptychodus import write_ptychodus_folder
from tests.ptychopinn_batch.one_process import Here

from .desk import RUN, Desk, beamline_folder, nexus_file

FEW = 15  # frames: fewer than a verdict looks at
SMALL = Simulation(frames=25, frame_size=32, step=3.0, probe_radius=0.14)
GEOMETRY = Geometry(energy_ev=8800.0, distance_m=1.9, detector_pixel_m=75e-6)


def called(*arguments):
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """The tiny run, a scan in every form that the pages name, and the evidence of one.

    A run knows its scans by their full paths: so every page works in the folder it was made in.
    """
    folder = tmp_path_factory.mktemp("desk")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("hpc.executors.local.Child", Here)
        Path("data").mkdir()
        called("simulate", "data/scan.npz", "--set", f"frames={FEW}")
        called("init", f"{RUN}.yaml", "--scan", "data/scan.npz")
        called("submit", f"{RUN}.yaml")
        called("simulate", "any.npz", "--set", "frames=256", "--set", "step=14")
    write_forms(folder)
    return Kept(folder.rename(folder.with_name("kept")), folder, evidence(tmp_path_factory))


class Kept(NamedTuple):
    """place: where the tiny run is kept; desk: where it was made; evidence: what `check` finds."""

    place: Path
    desk: Path
    evidence: Evidence


def write_forms(folder):
    raw = replace(simulate_scan(SMALL), geometry=GEOMETRY, zero_m=(0.0, 0.0))
    write_cxi(raw, folder / "any.cxi")
    nexus_file(raw, folder / "any.nxs")
    (folder / "scan").mkdir()
    write_ptychodus_folder(raw, folder / "scan")
    beamline_folder(raw, folder / "scan_0042")
    network = Cnn(
        CnnSettings(
            amplitude_activation="unit_sigmoid", input="amplitude", border_activation="swish"
        )
    )
    training = Training(train=None, start=None, data=())
    place = folder / "their_network"
    save_package(place, network, name="cnn", seed=0, training=training, metrics={})
    write_format("bundle", place, folder / "any.zip")


def evidence(tmp_path_factory):
    """That of a small scan: `check` reads every scan of the pages, but measures this one."""
    folder = tmp_path_factory.mktemp("sample") / "store"
    build_store(simulate_scan(SMALL), folder)
    return examine(ScanStore.open(folder), shipped(best_device()))


@pytest.fixture
def desk(kept, monkeypatch):
    """Makes the working folder of a page."""
    shutil.rmtree(kept.desk, ignore_errors=True)
    (kept.desk / "data").mkdir(parents=True)
    monkeypatch.chdir(kept.desk)
    monkeypatch.setattr("hpc.executors.local.Child", Here)
    monkeypatch.setattr("ptychopinn_batch.verdict.glance.FEWEST", FEW)
    monkeypatch.setattr("ptychopinn_batch.verdict.glance.examine", lambda *_: kept.evidence)
    return lambda text: Desk(kept.desk, kept.place, text)
