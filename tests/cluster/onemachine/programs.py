"""The programs that a cluster is made of: where they are, and which Debian packages bring them."""

from __future__ import annotations

import os
import shutil
import sys

# program -> Debian package
PACKAGES = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "slurmdbd": "slurmdbd",
    "sacct": "slurm-client",
    "sbatch": "slurm-client",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
}
ACCOUNTING_ONLY = {"slurmdbd", "mariadbd", "mariadb-install-db"}
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # daemons are often not on a user's PATH


def search_path() -> str:
    return f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"


def find(program: str) -> str | None:
    return shutil.which(program, path=search_path())


def what_is_missing(*, accounting: bool = True) -> str:
    """Why no cluster can be started on this machine, in one line; empty when one can."""
    if not sys.platform.startswith("linux"):
        return "SLURM needs Linux"
    reasons = []
    if os.geteuid() != 0:
        reasons.append("starting SLURM's daemons needs root")
    wanted = [name for name in PACKAGES if accounting or name not in ACCOUNTING_ONLY]
    missing = [name for name in wanted if not find(name)]
    if missing:
        packages = " ".join(sorted({PACKAGES[name] for name in missing}))
        reasons.append(
            f"not installed: {', '.join(missing)}; on Debian, apt-get update && "
            f"apt-get install -y --no-install-recommends {packages}"
        )
    return "; ".join(reasons)
