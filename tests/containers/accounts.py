"""Who calls commands in the tests of containers: root, and a user without any right."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Account:
    """Somebody who calls commands; None is whoever runs the tests."""

    name: str | None

    def call(self, *command, cwd, environment=None, timeout=900):
        """A command that has ended, whatever it came to."""
        kept = {"PATH": os.environ["PATH"], **(environment or {})}
        if "SLURM_CONF" in os.environ:
            kept["SLURM_CONF"] = os.environ["SLURM_CONF"]
        who = () if self.name is None else ("runuser", "-u", self.name, "--")
        home = str(Path.home()) if self.name is None else pwd.getpwnam(self.name).pw_dir
        return subprocess.run(
            [*who, *map(str, command)],
            cwd=cwd,
            env={**kept, "HOME": home, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def folder(self, path):
        """A folder that is theirs."""
        path.mkdir(parents=True, exist_ok=True)
        if self.name is not None:
            shutil.chown(path, self.name, self.name)
        return path
