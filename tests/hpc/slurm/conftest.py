"""A cluster whose commands do what a test wants to see go wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hpc.slurm.client import Slurm

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol")


class FakeCluster:
    """Fake commands on PATH, and the queue behind them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        program = Path(__file__).with_name("fakeslurm.py")
        for command in COMMANDS:
            script = f'#!/bin/sh\nexec {sys.executable} -S -E {program} {command} "$@"\n'
            (self.bin / command).write_text(script)
            (self.bin / command).chmod(0o755)

    def fault(self, command: str, *words: str) -> None:
        """What goes wrong with the next calls, one word each; "always" holds for all of them."""
        (self.folder / f"{command}.faults").write_text(" ".join(words))

    def calls(self, command: str) -> list[list[str]]:
        """The arguments of every call of a command."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [words[1:] for words in map(json.loads, lines) if words[0] == command]

    @property
    def queue(self) -> list[dict]:
        path = self.folder / "queue.json"
        return json.loads(path.read_text()) if path.exists() else []

    @property
    def jobs(self) -> list[str]:
        """What was ever taken, every element of an array by itself."""
        return [job["job"] for job in self.queue]

    def scripts(self) -> list[str]:
        """The scripts that sbatch was called with, in this order."""
        return [Path(arguments[-1]).read_text() for arguments in self.calls("sbatch")]

    def change(self, job: str, **fields: object) -> None:
        """What the cluster says of one job, or of all elements of an array, from now on."""
        jobs = self.queue
        for one in jobs:
            if job in (one["job"], one["job"].partition("_")[0]):
                one |= fields
        (self.folder / "queue.json").write_text(json.dumps(jobs))

    def end(self, job: str, state: str, ago: float = 3600, **fields: object) -> None:
        """Have a job be over since so many seconds."""
        ended = (datetime.now() - timedelta(seconds=ago)).isoformat(timespec="seconds")
        self.change(job, **{"state": state, "nodes": "n1", "ended": ended, **fields})


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster(tmp_path / "cluster")
    monkeypatch.setenv("PATH", f"{fake.bin}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKESLURM", str(fake.folder))
    monkeypatch.setattr("hpc.slurm.wave.PAUSE", 0.01)
    return fake


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a command on PATH, before all others, that does what its lines of shell say."""
    folder = tmp_path / "tools"
    folder.mkdir()

    def put(command: str, text: str) -> None:
        (folder / command).write_text(f"#!/bin/sh\n{text}\n")
        (folder / command).chmod(0o755)
        if not os.environ["PATH"].startswith(f"{folder}:"):
            monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    return put


@pytest.fixture
def slurm(cluster: FakeCluster) -> Slurm:
    return Slurm(pause=0.01)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have so much time gone by that SLURM cannot have heard of what it does not know."""

    def pass_by() -> None:
        monkeypatch.setattr("hpc.slurm.observe.VOID_AFTER", -1.0)
        monkeypatch.setattr("hpc.slurm.judge.LOST_AFTER", -1.0)

    return pass_by
