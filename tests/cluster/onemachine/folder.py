"""The state folder: every path of a cluster, and the rules for making and deleting it."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onemachine.console import Failure

ENV_STATE = "SLURM_TEST_CLUSTER"  # names the state folder for every verb but `up`
SOCKET_PATH_MAX = 107  # bytes in sockaddr_un.sun_path, less the final NUL
FOLDERS = ("dev", "etc", "log", "munge", "pids", "slurmctld", "spool")
FILES = ("lock", "owner")  # may be there before the cluster is


@dataclass(frozen=True)
class Folder:
    """Where a cluster keeps all it has; nothing else is written, but for memory cgroups."""

    root: Path

    @classmethod
    def new(cls, prefix: str = "slurm-test-") -> Folder:
        """A temporary folder; under /tmp where TMPDIR is too long for Unix sockets."""
        usual = Path(tempfile.gettempdir())
        fits = not path_problem(usual / f"{prefix}12345678")
        root = Path(tempfile.mkdtemp(prefix=prefix, dir=usual if fits else "/tmp"))
        root.chmod(0o755)  # jobs of other users need to reach munge's socket
        return cls(root)

    @property
    def marker(self) -> Path:
        """The layout of the cluster. Purging insists on it: it is in our own folders only."""
        return self.root / "cluster.json"

    @property
    def owner(self) -> Path:
        """Locked by the process for which the cluster runs, if it runs for one."""
        return self.root / "owner"

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def slurm_conf(self) -> Path:
        return self.etc / "slurm.conf"

    @property
    def hosts(self) -> Path:
        return self.etc / "hosts"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def munge(self) -> Path:
        return self.root / "munge"

    @property
    def munge_socket(self) -> Path:
        return self.munge / "socket"

    @property
    def database(self) -> Path:
        return self.root / "mariadb"

    @property
    def database_socket(self) -> Path:
        return self.database / "socket"

    def pid(self, daemon: str) -> Path:
        return self.root / "pids" / daemon

    def spool(self, node: str) -> Path:
        return self.root / "spool" / node

    def device(self, gpu: int) -> Path:
        return self.root / "dev" / f"gpu{gpu}"

    def make(self, nodes: list[str]) -> None:
        for path in (*(self.root / name for name in FOLDERS), *map(self.spool, nodes)):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)

    def check(self) -> None:
        """Refuse folders that would not work, and those that `down --purge` must not delete."""
        problem = path_problem(self.root)
        if problem:
            raise Failure(f"{self.root}: {problem}")
        present = {path.name for path in self.root.iterdir()} if self.root.exists() else set()
        if present - {*FOLDERS, *FILES} and not self.marker.exists():
            raise Failure(f"{self.root} is neither empty nor a state folder")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time."""
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def purge(self) -> None:
        if self.marker.exists():
            shutil.rmtree(self.root)


def path_problem(root: Path) -> str:
    """Why a state folder cannot lie there; empty when it can."""
    if not re.fullmatch(r"[\w./+-]+", str(root), re.ASCII):
        return "use only letters, digits and _./+- in the path"
    # the longest of slurmd's sockets: spool/NODE/NODE_JOBID.STEPID
    longest = Folder(root).spool("node99") / "node99_1234567.4294967295"
    if len(os.fsencode(longest)) > SOCKET_PATH_MAX:
        return "too long a path, Unix sockets in it would not work"
    return ""
