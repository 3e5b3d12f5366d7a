"""Calls `ptychopinn-batch`: where it is, one run of it, and how that ends."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from ptychopinn_batch.client.shim import FOLDER as SHIM

POLL = 0.25  # seconds between two looks at the process
NEEDED = ("torch", "lightning", "submitit", "tensordict", "zarr")  # Ptychodus has none of its own
TAIL = 15  # lines of its output that an error repeats
T = TypeVar("T")
PATIENCE = 60.0  # seconds that tasks have to save their state, once the run is to stop


def find_command(setting: str) -> tuple[str, ...]:
    """How to call the program: as the setting says, else in this environment, else on the path."""
    if setting.strip():
        return tuple(shlex.split(setting))
    missing = next((name for name in NEEDED if find_spec(name) is None), None)
    if missing is None:
        return sys.executable, "-m", "ptychopinn_batch"
    found = shutil.which("ptychopinn-batch")
    if found is None or Path(found).parent == Path(sys.executable).parent:
        raise RuntimeError(
            f"This environment has no {missing}, and no other ptychopinn-batch is on the PATH. "
            "Set PtychoPINNBatch.command to the full path of ptychopinn-batch in one that has all."
        )
    return (found,)


def without_shim(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment in which the real packages are found; see `client.shim`."""
    path = environment.get("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in path if entry and Path(entry).absolute() != SHIM]
    return {**environment, "PYTHONPATH": os.pathsep.join(kept)}


class Stopped(Exception):
    """The run was stopped because somebody wished it."""


@dataclass(frozen=True)
class Run:
    """One run below `folder`, which holds everything that belongs to it."""

    command: Sequence[str]
    folder: Path
    name: str
    options: Sequence[str] = ()
    is_stopping: Callable[[], bool] = lambda: False

    @property
    def paths(self) -> Path:
        """Where the program puts its results."""
        return self.folder / self.name

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def go(
        self, spec: Mapping[str, Any], look: Callable[[], Iterator[T]] = lambda: iter(())
    ) -> Iterator[T]:
        """Submit a job spec and yield what `look` sees until all is over; RuntimeError if it fails.

        Whoever stops listening stops the run; Stopped, where `is_stopping` asks for it.
        """
        path = self.folder / f"{self.name}.yaml"
        # Nobody would see what a check says; the verdict on the result says the same.
        whole = {"version": 1, "name": self.name, "check": "off", **spec}
        path.write_text(json.dumps(whole, indent=1) + "\n")
        submit = ["submit", str(path), "--runs", str(self.folder), "--watch", *self.options]
        with self._process(submit) as process:
            while process.poll() is None:
                yield from look()
                if self.is_stopping():
                    raise Stopped
                try:
                    process.wait(POLL)
                except subprocess.TimeoutExpired:
                    continue
        yield from look()
        if process.returncode:
            raise RuntimeError(self._complaint(process.returncode))

    @contextmanager
    def _process(self, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*self.command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=without_shim(os.environ),
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    self._stop(process, log)

    def _stop(self, process: subprocess.Popen[bytes], log: BinaryIO) -> None:
        """End it in order, and take back what a cluster would go on with."""
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
        cancel = [*self.command, "cancel", self.name, "--runs", str(self.folder)]
        subprocess.run(cancel, stdout=log, stderr=log, check=False)

    def _complaint(self, code: int) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
        return "\n".join([f"ptychopinn-batch ended with code {code} ({self.log}):", *lines])
