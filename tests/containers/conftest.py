"""The image, built once for all tests of a session, and who runs it."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REQUIRE = "REQUIRE_APPTAINER"  # set to 1: a machine that cannot build and run it is an error
IMAGE = "PTYCHOPINN_IMAGE"  # an image that was built before, to save the minutes
FOLDERS = HERE, HERE.parent / "cluster"


def pytest_configure(config):
    for folder in map(str, FOLDERS):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    # By name: a conftest.py further up may have done it already, and two would be two clusters.
    config.pluginmanager.import_plugin("cluster_fixtures")


# Processes that test together have the same parent, one image and one ordinary user.
TOGETHER = os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()
SHARED = Path(tempfile.gettempdir()) / f"ptychopinn-image-{TOGETHER}"  # others may look into it
USER = f"ptychopinn-{TOGETHER}"


@contextlib.contextmanager
def shared(path: Path, make: Callable[[], None], remove: Callable[[], None]) -> Iterator[None]:
    """What whoever needs it first makes, and the last of them who used it takes away.

    `path` is a folder for a lock and for the signs of those who use it.
    """
    path.mkdir(exist_ok=True)
    lock, mine = FileLock(path / "lock"), path / f"user-{os.getpid()}"
    with lock:
        if not list(path.glob("user-*")):
            make()
        mine.touch()
    try:
        yield
    finally:
        with lock:
            mine.unlink()
            if not list(path.glob("user-*")):
                remove()


@pytest.fixture(scope="session")
def common(tmp_path_factory) -> Path:
    """A folder of all processes that test together."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def image(common) -> Iterator[Path]:
    """The image, built once by all who test together."""
    given = os.environ.get(IMAGE)
    skip_or_fail(missing(["apptainer"] if given else ["apptainer", "debootstrap"]))
    if given:
        yield Path(given)
        return
    path = SHARED / "image.sif"
    with shared(common / "image", lambda: build(path), lambda: shutil.rmtree(SHARED)):
        yield path


@pytest.fixture
def own_image(image, place):
    """The image under a path of this test's own: what else is done with it has another."""
    path = place / "image.sif"
    try:
        path.hardlink_to(image)
    except OSError:  # another file system, or not one's own
        shutil.copyfile(image, path)
    return path


def build(path: Path) -> None:
    """By the one command that everybody uses."""
    path.parent.mkdir(mode=0o755, exist_ok=True)
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
def ordinary(common):
    """A user without any right; only root can make one."""
    from accounts import Account

    if os.geteuid() != 0:
        yield Account(None)
        return
    with shared(
        common / "user",
        lambda: subprocess.run(["useradd", "--create-home", USER], check=True),
        lambda: subprocess.run(["userdel", "--remove", USER], check=False, capture_output=True),
    ):
        yield Account(USER)


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
