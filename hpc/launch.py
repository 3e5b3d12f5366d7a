"""The other ranks of a task on one machine, where no batch system starts them.

They are processes of the first rank's group: whoever ends the group ends them all.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

from hpc.ranks import follower_environments, free_port
from hpc.resources import Resources

__all__ = ["Followers"]

GRACE = 15.0  # seconds in which the first rank may end by itself when another has failed


class Followers:
    """Ranks 1 and up, from entering the block to leaving it."""

    def __init__(self, commands: Sequence[tuple[Sequence[str], Mapping[str, str]]]) -> None:
        self._commands = commands
        self._processes: list[subprocess.Popen[bytes]] = []
        self._leaving = threading.Event()

    @classmethod
    def of(cls, resources: Resources, arguments: Sequence[str]) -> Followers:
        """As many as the resources ask for; each runs this program with the same arguments."""
        if resources.processes == 1:
            return cls([])
        per_node, nodes = resources.tasks_per_node, resources.nodes
        first, *others = follower_environments(per_node, nodes, free_port())
        os.environ.update(first)
        command = (sys.executable, *_isolation(), "-m", "hpc.worker")
        return cls([((*command, *arguments), environment) for environment in others])

    def __enter__(self) -> Followers:
        for command, environment in self._commands:
            process = subprocess.Popen(command, env={**os.environ, **environment})
            self._processes.append(process)
        for process in self._processes:
            threading.Thread(target=self._watch, args=(process,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for those that are ending, end the others."""
        self._leaving.set()
        deadline = time.monotonic() + GRACE
        for process in self._processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """A first rank that waits for a dead one would wait until its time is up."""
        if process.wait() != 0 and not self._leaving.wait(GRACE):
            os._exit(1)


def _isolation() -> list[str]:
    """The options by which this Python takes no notice of what lies around it."""
    if sys.flags.isolated:
        return ["-I"]
    return ["-P"] if sys.flags.safe_path else []
