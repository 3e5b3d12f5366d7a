"""Checks of this machine: Python, torch, and the file system that holds the runs."""

from __future__ import annotations

import fcntl
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from hpc.probe import nearest_folder
from ptychopinn_batch.checkup.finding import Check, Finding, bad, good, warning

__all__ = ["CLOCKS", "checks_here"]

CLOCKS = 5.0  # seconds by which clocks may differ: leases expire after two minutes
LITTLE_SPACE = 20e9  # bytes


def checks_here(runs: Path) -> list[Check]:
    """In the order in which they are told; `runs` need not be there yet."""
    folder = nearest_folder(runs)
    return [
        ("python", python),
        ("torch", torch),
        ("loops of a CPU", loops),
        ("submitit", submitit),
        ("folder of runs", lambda: writable(folder)),
        ("locks", lambda: locks(folder)),
        ("rename", lambda: rename(folder)),
        ("disk space", lambda: space(folder)),
        ("clock of disk", lambda: disk_clock(folder)),
    ]


def python() -> Finding:
    return good("python", f"{platform.python_version()}, {sys.executable}")


def torch() -> Finding:
    """The version, and the devices it finds here; a login node has none, which is no fault."""
    try:
        import torch as found  # heavy
    except (ImportError, OSError) as error:
        return bad("torch", f"cannot be imported ({error})", "Install it again, or use the image")
    gpus = [found.cuda.get_device_name(k) for k in range(found.cuda.device_count())]
    devices = ", ".join(gpus) if gpus else "no GPU here"
    return good("torch", f"{found.__version__}, {devices}, {os.cpu_count()} CPUs")


def loops() -> Finding:
    """What makes a CPU fast; without it, all works."""
    from ptychopinn_batch.networks import fused, transforms  # heavy

    if fused.compiled() is None:
        mend = "Install Numba: without it, a CPU takes twice as long"
        return warning("loops of a CPU", "not compiled, Numba cannot be imported", mend)
    if transforms.fftw() is None:
        faster = "pip install 'ptychopinn-batch[fftw]' makes frames up to a quarter faster"
        return good("loops of a CPU", f"compiled, transforms by torch ({faster})")
    return good("loops of a CPU", "compiled, transforms by FFTW")


def submitit() -> Finding:
    return good("submitit", metadata.version("submitit"))


def writable(folder: Path) -> Finding:
    with _file(folder):
        return good("folder of runs", f"{folder} can be written to")


def locks(folder: Path) -> Finding:
    """A second taker must be refused; some network disks grant both, or refuse all."""
    with _file(folder) as path, path.open("r+") as one, path.open("r+") as other:
        try:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            mend = "Do not submit one run from two terminals at once, or put runs elsewhere"
            return warning("locks", f"this file system has none ({error.strerror})", mend)
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return good("locks", "held by one at a time")
    mend = "Put runs on another file system (--runs), or mount this one with flock"
    return bad("locks", "the file system gives one lock to two", mend)


def rename(folder: Path) -> Finding:
    """A file put in the place of another by rename: readers see the old one or the new one."""
    with _file(folder) as old, _file(folder) as new:
        new.write_text("new")
        new.replace(old)
        if old.read_text() == "new" and not new.exists():
            return good("rename", "puts a file in the place of another")
    mend = "Put runs on another file system (--runs)"
    return bad("rename", "does not put a file in the place of another", mend)


def space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    what = f"{free / 1e9:.0f} GB free in {folder}"
    if free < LITTLE_SPACE:
        return warning("disk space", what, "Make room: a scan store is as large as its scan")
    return good("disk space", what)


def disk_clock(folder: Path) -> Finding:
    """File servers stamp files by their own clock."""
    with _file(folder) as path:
        path.touch()
        apart = path.stat().st_mtime - time.time()
    return clock("clock of disk", "the file server", apart)


def clock(about: str, whose: str, apart: float) -> Finding:
    if abs(apart) <= CLOCKS:
        return good(about, f"{whose} agrees within {max(abs(apart), 0.1):.1f} s")
    mend = "Have administrators mend NTP there; till then a run may seem worked on, or not"
    return warning(about, f"{whose} is {apart:+.0f} s from here", mend)


@contextmanager
def _file(folder: Path) -> Iterator[Path]:
    """An empty file that is gone afterwards."""
    path = folder / f".doctor-{os.getpid()}-{secrets.token_hex(4)}"
    path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
