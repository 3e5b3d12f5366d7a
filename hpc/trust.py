"""Whether a run's folders may be trusted: who can write there can have our tasks run anything.

Tasks name the code that is run, so a submit refuses folders that everybody may write in, or that
belong to someone else. Groups are trusted: whoever shares a group's folder has chosen to.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from hpc.errors import UserError
from hpc.paths import RunPaths

__all__ = ["TRUST", "check_trusted"]

TRUST = "HPC_TRUST_FOLDERS"
"""Set to 1 where file systems show everybody's rights and owners otherwise than they are."""


def check_trusted(run: RunPaths) -> None:
    """UserError where somebody else could put tasks in this run, unless the user has allowed it."""
    if os.environ.get(TRUST) == "1":
        return
    _check_closed(run.root)
    for folder in (run.folder, run.task_folder, run.ledger_folder):
        _check_closed(folder)
        _check_owner(folder)


def _check_closed(folder: Path) -> None:
    status = _status(folder)
    # In a folder such as /tmp (sticky) others may make files, but not touch ours.
    if status and status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        what = "everybody may write in this folder, and so have your tasks run anything"
        mend = f"Call chmod -R o-w on it, or set {TRUST}=1 if you trust everybody here"
        raise UserError(what, where=str(folder), mend=mend)


def _check_owner(folder: Path) -> None:
    status = _status(folder)
    if status and status.st_uid not in (os.geteuid(), 0):
        owner = _name_of(status.st_uid)
        what = f"this folder belongs to {owner}, who can have your tasks run anything"
        mend = f"Choose another --runs folder, or set {TRUST}=1 if you trust its owner"
        raise UserError(what, where=str(folder), mend=mend)


def _status(folder: Path) -> os.stat_result | None:
    try:
        return folder.stat()
    except OSError:  # not there yet; what else is wrong with it is told when it is used
        return None


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
