"""The fixture `cluster`: one real SLURM cluster for all tests of a session, healthy for each.

Any tests may use it: a conftest.py puts this folder on sys.path and makes this module a plugin.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from onemachine.folder import Folder
from onemachine.handle import Handle
from onemachine.programs import what_is_missing

PREFIX = "slurm-pytest-"
REQUIRE = "REQUIRE_SLURM"  # set to 1: a machine that cannot start a cluster is an error
NODES, CPUS, MEM, GPUS = 3, 4, 4000, 2  # per node, but for NODES; MEM in MB


@pytest.fixture(scope="session")
def session_cluster() -> Iterator[Handle]:
    """The cluster itself; for fixtures of a wider scope than one test, without SLURM_CONF."""
    skip_or_fail(what_is_missing())
    end_abandoned()
    folder = Folder.new(PREFIX)
    with owned(folder):
        try:
            yield Handle.up(folder.root, nodes=NODES, cpus=CPUS, mem=MEM, gpus=GPUS)
        finally:
            Handle(folder.root).down(purge=True)
            shutil.rmtree(folder.root, ignore_errors=True)  # left there if it never was a cluster


@pytest.fixture
def cluster(session_cluster: Handle, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handle]:
    """A cluster with SLURM_CONF set: idle before the test, and made so after it.

    Only for this test: others must not find a cluster, nor wait for one that is gone (without its
    configuration file, every SLURM command tries for a minute).
    """
    monkeypatch.setenv("SLURM_CONF", str(session_cluster.conf))
    yield session_cluster
    session_cluster.reset()


def skip_or_fail(reason: str) -> None:
    if reason and os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {reason}", pytrace=False)
    if reason:
        pytest.skip(f"no SLURM cluster here: {reason}")


@contextmanager
def owned(folder: Folder) -> Iterator[None]:
    """Lock a file as long as this process lives: the kernel unlocks it however that ends."""
    with folder.owner.open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        yield


def end_abandoned() -> None:
    """End the clusters of sessions that were killed; those of others that run are left alone."""
    for place in {Path(tempfile.gettempdir()), Path("/tmp")}:
        for path in place.glob(f"{PREFIX}*/owner"):
            end_if_abandoned(Folder(path.parent))


def end_if_abandoned(folder: Folder) -> None:
    try:
        with folder.owner.open() as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.marker.exists():
                Handle(folder.root).down(purge=True)
    except OSError:  # locked, or just deleted by another session
        return
