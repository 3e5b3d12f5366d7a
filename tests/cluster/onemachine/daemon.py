"""Processes that outlive us, remembered by pid and start time so that none is taken for another."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onemachine.console import say
from onemachine.folder import Folder
from onemachine.waiting import wait_for


def start_time(pid: int) -> int | None:
    """The kernel's start time of a live process, None when it is gone or a zombie.

    A pid is used again some day; a pid with its start time names one process for good.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


@dataclass(frozen=True)
class Daemon:
    """One of a cluster's daemons, running or not."""

    folder: Folder
    name: str

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        try:
            pid, started = map(int, self.folder.pid(self.name).read_text().split())
        except (OSError, ValueError):
            return None
        return pid if start_time(pid) == started else None

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        with (self.folder.logs / f"{self.name}.out").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # outlives us and our terminal
            )
        remembered = f"{process.pid} {start_time(process.pid)}\n"
        self.folder.pid(self.name).write_text(remembered)

    def send(self, signum: int) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def stop(self, signum: int = signal.SIGTERM, grace: float = 15) -> None:
        """Send the signal, SIGKILL after the grace; return when it is gone."""
        self.send(signum)
        if not wait_for(lambda: self.pid is None, grace):
            say(f"{self.name} did not end in {grace:.0f} s, killing it")
            self.send(signal.SIGKILL)
            wait_for(lambda: self.pid is None, grace)
        self.folder.pid(self.name).unlink(missing_ok=True)
