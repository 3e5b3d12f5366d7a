"""A small run that is submitted in forked processes: torch is imported once, so it takes a second.

The executor is the program's own, and so are its workers; only that these are forked, too.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch
from PIL import Image

import hpc.executors.local
from hpc import worker
from hpc.executors.watch import Child
from hpc.ledger import TaskState, read_states
from hpc.paths import RunPaths
from ptychopinn_batch.cli import cli
from ptychopinn_batch.report import page

__all__ = ["Done", "Place", "load_all"]

LOADED = (
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "ptychopinn_batch.commands.submit",
    "ptychopinn_batch.legacy.bundle",
    "ptychopinn_batch.legacy.metadata",
    "ptychopinn_batch.networks.unrolled",
    "ptychopinn_batch.report.page",
    "ptychopinn_batch.stages.finalize",
    "ptychopinn_batch.stages.infer",
    "ptychopinn_batch.stages.package",
    "ptychopinn_batch.stages.prepare",
)
"""What a submit and its workers import in the course of their work."""

SPEC = """\
version: 1
name: small
scans:
  - name: star
    simulate: {frames: 12, frame_size: 16, step: 3.0, probe_radius: 0.2, photons: 1.0e5}
infer: {steps: 1, tile: 64}
export: [npz]
"""
PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Done:
    """What became of a command: its exit code (negative: the signal that ended it), its words."""

    code: int
    text: str

    @property
    def is_sound(self) -> bool:
        """An end that a user can work with: no traceback, no error of the program itself."""
        return "Traceback" not in self.text and self.code in (0, 1, 2, -signal.SIGKILL)


class Forked(Child):
    """A worker in a forked process."""

    @classmethod
    def start(cls, task, command, log, environment, gpus=()):
        arguments = list(command[command.index("hpc.worker") + 1 :])
        with log.open("ab") as output:
            pid = _fork(lambda: worker.main(arguments), output.fileno(), environment)
        return cls(task, _process(pid), gpus)


class Place:
    """A folder with the spec and its runs."""

    def __init__(self, folder: Path, spec: str = SPEC, name: str = "small") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.output = folder, folder / "output.txt"
        self.run = RunPaths(folder / "runs", name)
        (folder / "small.yaml").write_text(spec)

    def submit(self, prepare: Callable[[], None] = lambda: None, *options: str) -> Done:
        """Submit in a process of its own, in which `prepare` is called first."""
        return self.call("submit", "small.yaml", *options, prepare=prepare)

    def call(self, *arguments: str, prepare: Callable[[], None] = lambda: None) -> Done:
        """A command in a process of its own."""

        def work() -> int:
            os.chdir(self.folder)
            hpc.executors.local.Child = Forked  # type: ignore[misc]
            prepare()
            cli.main(list(arguments))
            raise AssertionError("it ends by SystemExit")

        with self.output.open("wb") as output:
            pid = _fork(work, output.fileno(), os.environ)
        return Done(_end_of(pid), self.output.read_text())

    def states(self) -> dict[str, TaskState]:
        """How each task stands."""
        names = sorted(path.stem for path in self.run.ledger_folder.glob("*.jsonl"))
        return read_states(self.run, names)

    def attempts(self, *statuses: str) -> dict[str, int]:
        """How often each task was begun; of those with these statuses."""
        states = self.states().items()
        return {name: s.attempt for name, s in states if not statuses or s.status in statuses}

    def result(self) -> dict[str, str]:
        """The object, by the hash of every chunk."""
        folder = self.run.folder / "results" / "default" / "star" / "object.zarr"
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        chunks = (path for path in files if "c" in path.relative_to(folder).parts)
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in chunks
        }


def load_all() -> None:
    """Import what forked processes would import each on its own."""
    for name in LOADED:
        importlib.import_module(name)
    Image.init()
    for name in ("page", "result"):
        page._environment().get_template(f"{name}.html.j2")


def _end_of(pid: int) -> int:
    """The exit code of a process; one that does not end is ended, and has failed."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGABRT)
    os.waitpid(pid, 0)
    return -signal.SIGABRT


def _fork(work: Callable[[], int], output: int, environment: Mapping[str, str]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        _alone(output, environment)
        code = work()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _alone(output: int, environment: Mapping[str, str]) -> None:
    """What a new process would have: a group, streams and an environment of its own, no files."""
    os.setsid()
    for number in (1, 2):
        os.dup2(output, number)
    os.closerange(3, 1024)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    environment = dict(environment)
    os.environ.clear()
    os.environ.update(environment)
    torch.set_num_threads(1)


def _process(pid: int) -> SimpleNamespace:
    """As much of a Popen as a watched child needs."""

    def send_signal(number: int) -> None:
        os.kill(pid, number)

    def wait() -> int:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return SimpleNamespace(pid=pid, send_signal=send_signal, wait=wait)
