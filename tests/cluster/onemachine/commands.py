"""SLURM's own commands, asked about one cluster and told what to do with its jobs and nodes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from onemachine.environment import environment
from onemachine.folder import Folder

USABLE = {"idle", "mixed", "allocated", "completing"}


@dataclass(frozen=True)
class Commands:
    """Answers are None or false when a command failed: a cluster may be half there."""

    folder: Folder

    def run(self, *command: object, timeout: float = 20) -> str | None:
        """What a command printed."""
        try:
            done = subprocess.run(
                [str(part) for part in command],
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=timeout,
                text=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None

    def controller_answers(self) -> bool:
        return "UP" in (self.run("scontrol", "ping") or "")

    def node_states(self) -> dict[str, str]:
        """Where a node does not answer, an asterisk follows its state."""
        printed = self.run("sinfo", "-h", "-N", "-o", "%N %T") or ""
        return dict(line.split() for line in printed.splitlines())

    def usable(self, nodes: Iterable[str]) -> bool:
        states = self.node_states()
        return all(states.get(name) in USABLE for name in nodes)

    def update_node(self, name: str, *changes: str) -> bool:
        return self.run("scontrol", "update", f"NodeName={name}", *changes) is not None

    def no_jobs(self) -> bool:
        """Whether the queue is known to be empty."""
        return self.run("squeue", "-h", "-o", "%F") == ""

    def cancel_all(self) -> None:
        """Without the grace that a job has when it ignores SIGTERM."""
        jobs = (self.run("squeue", "-h", "-o", "%F") or "").split()
        if jobs:
            self.run("scancel", *set(jobs))
            self.run("scancel", "--signal=KILL", "--full", *set(jobs))
