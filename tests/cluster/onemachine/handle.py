"""Python's handle on a cluster: each verb of the command line, in a process of its own.

Not in this process: a test's may have threads, which do not go well with fork, and may be killed.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from onemachine.folder import Folder
from onemachine.layout import Layout

PACKAGE = Path(__file__).parent
# -I and -S: nothing the caller's environment brings in (coverage, PYTHONPATH) changes a cluster.
COMMAND = (sys.executable, "-I", "-S", str(PACKAGE))
PATIENCE = 150  # seconds


@dataclass(frozen=True)
class Handle:
    """A running cluster, by its state folder."""

    state: Path

    @classmethod
    def up(
        cls, state: Path, *, nodes: int = 3, cpus: int = 4, mem: int = 4000, gpus: int = 0
    ) -> Handle:
        handle = cls(state)
        handle._do("up", f"--nodes={nodes}", f"--cpus={cpus}", f"--mem={mem}", f"--gpus={gpus}")
        return handle

    def down(self, *, purge: bool = True) -> None:
        self._do("down", *(["--purge"] if purge else []))

    def reset(self) -> None:
        """As after `up`: every daemon runs, every node is idle, no job is left."""
        self._do("reset")

    def kill_node(self, name: str, *, notify: bool = True) -> None:
        """As a power cut would; without notify, slurmctld finds out after some 30 s."""
        self._do("kill-node", *(["--notify"] if notify else []), name)

    def start_node(self, name: str) -> None:
        self._do("start-node", name)

    def stop_controller(self) -> None:
        """slurmctld alone; jobs go on."""
        self._do("stop-controller")

    def start_controller(self) -> None:
        self._do("start-controller")

    def stop_accounting(self) -> None:
        """slurmdbd alone; sacct fails."""
        self._do("stop-accounting")

    def start_accounting(self) -> None:
        self._do("start-accounting")

    @property
    def conf(self) -> Path:
        """For SLURM_CONF."""
        return Folder(self.state).slurm_conf

    @property
    def logs(self) -> Path:
        return Folder(self.state).logs

    @property
    def nodes(self) -> list[str]:
        return self._layout.nodes

    @property
    def enforces_memory(self) -> bool:
        """Whether a job out of memory ends as OUT_OF_MEMORY; as FAILED otherwise."""
        return self._layout.cgroups

    @property
    def has_hostnames(self) -> bool:
        """Whether every node has a hostname of its own that jobs can resolve."""
        return not self._layout.settings.plain

    @property
    def _layout(self) -> Layout:
        layout = Layout.read(Folder(self.state))
        if not layout:
            raise RuntimeError(f"no cluster in {self.state}")
        return layout

    def _do(self, verb: str, *arguments: str) -> None:
        done = subprocess.run(
            [*COMMAND, verb, *arguments, str(self.state)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{verb}: {done.stderr.strip()}\n{tails(self.logs)}")


def tails(logs: Path, lines: int = 10) -> str:
    """The ends of all logs: the folder is often gone when somebody reads this."""
    ends = {path.name: path.read_text(errors="replace").splitlines() for path in logs.glob("*.out")}
    return "\n".join(
        "\n".join([f"--- {name}", *text[-lines:]]) for name, text in sorted(ends.items()) if text
    )
