"""The image, built once for all tests of a session, and who runs it."""

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REQUIRE = "REQUIRE_APPTAINER"  # set to 1: a machine that cannot build and run it is an error
IMAGE = "PTYCHOPINN_IMAGE"  # an image that was built before, to save the minutes
USER = "ptychopinn-test"
FOLDERS = HERE, HERE.parent / "cluster"


def pytest_configure(config):
    for folder in map(str, FOLDERS):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    # By name: a conftest.py further up may have done it already, and two would be two clusters.
    config.pluginmanager.import_plugin("cluster_fixtures")


# Processes that test together have the same parent, and one image.
TOGETHER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
SHARED = Path(tempfile.gettempdir()) / f"ptychopinn-image-{TOGETHER}"


@pytest.fixture(scope="session")
def image() -> Iterator[Path]:
    """The image, built by whoever needs it first; the last who used it takes it away."""
    given = os.environ.get(IMAGE)
    skip_or_fail(missing(["apptainer"] if given else ["apptainer", "debootstrap"]))
    if given:
        yield Path(given)
        return
    path, user, lock = (
        SHARED / "image.sif",
        SHARED / f"user-{os.getpid()}",
        FileLock(f"{SHARED}.lock"),
    )
    with lock:
        SHARED.mkdir(mode=0o755, exist_ok=True)
        if not path.exists():
            build(path)
        user.touch()
    yield path
    with lock:
        user.unlink()
        if not list(SHARED.glob("user-*")):
            shutil.rmtree(SHARED)
            Path(lock.lock_file).unlink()


def build(path: Path) -> None:
    """By the one command that everybody uses."""
    # Where pip has found a torch for CPUs for these tests, it finds it once more.
    where = ("--torch-index", "none") if metadata.version("torch").endswith("+cpu") else ()
    command = (ROOT / "containers" / "build", *where, "--compression", "3", path)
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="session")
def ordinary():
    """A user without any right; only root can make one."""
    from accounts import Account

    if os.geteuid() != 0:
        yield Account(None)
        return
    with contextlib.suppress(KeyError):
        pwd.getpwnam(USER)
        yield Account(USER)
        return
    subprocess.run(["useradd", "--create-home", USER], check=True)
    try:
        yield Account(USER)
    finally:
        subprocess.run(["userdel", "--remove", USER], check=False, capture_output=True)


@pytest.fixture(params=["root", "ordinary user"])
def account(request):
    """Whoever runs the tests, mostly root; and an ordinary user."""
    from accounts import Account

    if request.param == "root":
        return Account(None)
    return request.getfixturevalue("ordinary")


@pytest.fixture
def place(account):
    """A working folder of the account, which pytest's own is not for others than root."""
    with tempfile.TemporaryDirectory(prefix="ptychopinn-place-") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield account.folder(path)


def missing(programs) -> str:
    """Why no image can be built and run here; empty where it can."""
    for program in programs:
        if shutil.which(program) is None:
            return f"there is no {program}"
    if subprocess.run(["unshare", "--user", "true"], check=False, capture_output=True).returncode:
        return "there are no user namespaces"
    return ""


def skip_or_fail(reason: str) -> None:
    if reason and os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {reason}", pytrace=False)
    if reason:
        pytest.skip(f"no containers here: {reason}")
