"""Where a result comes from: versions, source, machine, command.

Never fails and never imports torch.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from hpc.container import IMAGE_DIGEST
from hpc.record import Record

PACKAGES = (
    "ptychopinn-batch",
    "torch",
    "lightning",
    "numpy",
    "numba",
    "pyfftw",
    "tensordict",
    "zarr",
    "h5py",
)
GIT_SECONDS = 5.0


class Source(Record):
    """The git commit of the code; `dirty` if tracked files differ from it."""

    commit: str
    dirty: bool


class Provenance(Record):
    """What made a result. None where it could not be found out."""

    created: str
    versions: dict[str, str]
    source: Source | None
    command: tuple[str, ...]
    host: str | None
    system: str
    cpu: str | None
    cpus: int | None
    gpus: tuple[str, ...]
    job: str | None


def collect() -> Provenance:
    """The provenance of this process, now."""
    return Provenance(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=versions(),
        source=source(Path(__file__).parent),
        command=tuple(sys.argv),
        host=_host(),
        system=platform.platform(),
        cpu=_cpu(),
        cpus=os.cpu_count(),
        gpus=_gpus(),
        job=os.environ.get("SLURM_JOB_ID"),
    )


def versions() -> dict[str, str]:
    """Version of python and of the packages that decide results, as far as installed.

    "image" is the SHA-256 of the image of a container, where all this runs in one.
    """
    found = {"python": platform.python_version()}
    if digest := os.environ.get(IMAGE_DIGEST):
        found["image"] = digest
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def source(folder: Path) -> Source | None:
    """The commit a folder of code is checked out from; None for an installed copy."""
    tracked = _git(folder, "ls-files", "--error-unmatch", "--", "provenance.py")
    commit = _git(folder, "rev-parse", "HEAD") if tracked else None
    if not commit:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Source(commit=commit, dirty=changes is None or bool(changes))


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip()


def _host() -> str | None:
    try:
        return socket.gethostname()
    except OSError:
        return None


def _cpu() -> str | None:
    """The processor's name, from Linux where it tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or None)


def _gpus() -> tuple[str, ...]:
    """Names of the GPUs; asked of torch only where it is loaded already."""
    torch = sys.modules.get("torch")
    try:
        cuda = torch.cuda if torch else None
        count = cuda.device_count() if cuda and cuda.is_available() else 0
        return tuple(str(cuda.get_device_name(k)) for k in range(count)) if cuda else ()
    except Exception:  # a broken driver must not cost a result
        return ()
