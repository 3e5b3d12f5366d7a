"""The environment in which a cluster's daemons and commands run."""

from __future__ import annotations

import os

from onemachine.folder import Folder
from onemachine.programs import search_path

KEPT = ("LANG", "TZ", "HOME")  # nothing else: what a user sets must not change a cluster


def environment(folder: Folder) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {
        **kept,
        "PATH": search_path(),
        "SLURM_CONF": str(folder.slurm_conf),
        "MYSQL_UNIX_PORT": str(folder.database_socket),  # slurmdbd reads MariaDB's socket here
    }
