"""What tests share: small scans; the command line, tasks run in the same process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ptychopinn_batch.cli import cli
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate.scan import simulate_scan

from .contract import write_contract
from .one_process import Here

SMALL_SCAN = Simulation(frames=900, frame_size=32, step=3.5, probe_radius=0.14, photons=1e6)


@pytest.fixture(scope="session")
def small_store(tmp_path_factory) -> ScanStore:
    folder = tmp_path_factory.mktemp("stores") / "small"
    build_store(simulate_scan(SMALL_SCAN), folder)
    return ScanStore.open(folder)


@pytest.fixture
def save(tmp_path) -> Callable[..., Path]:
    """Writes the scan of PtychoPINN's contract with some arrays replaced, or left out."""

    def write(name: str = "scan.npz", **changes: Any) -> Path:
        return write_contract(tmp_path / name, **changes)

    return write


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, and workers that need no process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hpc.executors.local.Child", Here)
    return tmp_path


@pytest.fixture
def call():
    """A command: exit code, what it printed, what it said on stderr."""

    def invoke(*arguments):
        result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        return result.exit_code, result.stdout, result.stderr

    return invoke


@pytest.fixture
def prints(call):
    """What a command that succeeds prints."""

    def invoke(*arguments):
        code, stdout, stderr = call(*arguments)
        assert (code, stderr) == (0, "")
        return stdout

    return invoke


@pytest.fixture
def refuses(call):
    """What a command says that exits with 2: one message, no traceback, nothing written."""

    def invoke(*arguments):
        before = tree()
        code, stdout, stderr = call(*arguments)
        assert (code, stdout) == (2, "")
        assert stderr.count("Error:") == 1
        assert "Traceback" not in stderr
        assert tree() == before
        return stderr

    return invoke


def tree():
    """Every file and folder below the working folder, files with their content."""
    return {str(p): p.read_bytes() if p.is_file() else None for p in Path().rglob("*")}
