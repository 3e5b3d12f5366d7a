"""The image itself: what it is, that nothing of the host gets into it, what is said of mistakes."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from accounts import Account
from contained import Place

from hpc.container import Container
from hpc.errors import UserError
from hpc.probe import check_container
from ptychopinn_batch import __version__

pytestmark = pytest.mark.timeout(2400)  # the image is built for the first of them

ROOT = Path(__file__).parents[2]
ME = Account(None)


def test_it_runs_the_program_for_everybody(image, account, place):
    shown = account.call("apptainer", "run", image, "--help", cwd=place)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Usage: ptychopinn-batch ")
    version = account.call("apptainer", "run", image, "--version", cwd=place)
    assert version.stdout.split()[-1] == __version__


@pytest.mark.parametrize("account", ["ordinary user"], indirect=True)  # the build ran it as root
def test_its_own_test_does_a_small_job(image, account, place):
    done = account.call("apptainer", "test", image, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All 5 tasks are done" in done.stdout


def test_its_labels_tell_version_and_commit(image, tmp_path):
    shown = ME.call("apptainer", "inspect", "--json", image, cwd=tmp_path)
    labels = json.loads(shown.stdout)["data"]["attributes"]["labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    commit = ME.call("git", "rev-parse", "HEAD", cwd=ROOT).stdout.strip()
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == commit


def test_what_is_inside_is_locked(image, tmp_path):
    lock = "/usr/local/share/ptychopinn-batch/lock.txt"
    shown = ME.call("apptainer", "exec", image, "cat", lock, cwd=tmp_path)
    ours, _, _ = (ROOT / "containers" / "lock.txt").read_text().partition("# Of the variant cuda")
    assert versions(shown.stdout) == versions(ours)


def versions(text):
    """Names in one spelling, without the build of a version."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.lower().replace("_", "-").partition("+")[0] for line in lines}


def test_nothing_of_the_hosts_python_gets_in(image, account, place):
    (place / "click.py").write_text("raise SystemExit('the stray one')")
    bad = {name: str(place) for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE")}
    shown = account.call("apptainer", "run", image, "--version", cwd=place, environment=bad)
    assert shown.returncode == 0, shown.stderr
    flags = "import site, sys; print(site.ENABLE_USER_SITE, sys.prefix)"
    shown = account.call("apptainer", "exec", image, "python", "-c", flags, cwd=place)
    assert shown.stdout.split() == ["False", "/usr/local/venv"]


def test_it_is_little_more_than_torch(image):
    assert image.stat().st_size < 530e6  # of which torch is 190


def test_a_folder_that_the_container_does_not_see(image, tmp_path):
    seen = Container(image=str(image))
    with pytest.raises(UserError, match=r"the container does not see /usr/share/doc\."):
        check(seen, tmp_path, ["/usr/share/doc", "/usr/bin"])
    check(
        Container(image=str(image), binds=("/usr/share/doc",)),
        tmp_path,
        ["/usr/share/doc"],
    )


def test_an_image_of_another_version(image, tmp_path):
    with pytest.raises(UserError, match=rf"holds ptychopinn-batch {__version__}, this is 99\."):
        check(Container(image=str(image)), tmp_path, version="99.0")


def check(container, runs, paths=(), *, version=__version__):
    check_container(
        container,
        runs,
        paths,
        program="ptychopinn-batch",
        version=version,
        where="hall.yaml",
    )


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A scan, made once."""
    place = Place(tmp_path_factory.mktemp("scan"), ME)
    place.write("unused.sif")
    return place.folder / "star.npz"


@pytest.fixture
def mistaken(scan):
    """A folder with a scan, for a spec and a profile with a mistake in it."""
    with tempfile.TemporaryDirectory(prefix="ptychopinn-place-") as folder:
        shutil.copy(scan, folder)
        yield Place(Path(folder), ME)


def refusal(place):
    done = place.call("submit", "small.yaml", "--profile", "hall", "--executor", "local")
    assert done.returncode == 2, done.stdout + done.stderr
    assert not place.run.folder.exists()
    return done.stderr


def test_a_submit_with_the_wrong_path_submits_nothing(mistaken):
    mistaken.write("/nowhere/image.sif")
    assert "there is no image /nowhere/image.sif. Mend the path" in refusal(mistaken)


def test_a_submit_with_an_image_that_may_not_be_read_submits_nothing(image, ordinary, mistaken):
    mistaken.folder.chmod(0o755)
    locked = mistaken.folder / "locked.sif"
    locked.write_bytes(b"SIF_MAGIC")
    locked.chmod(0)
    place = Place.of(ordinary.folder(mistaken.folder / "own"), ordinary, image)
    shutil.copy(mistaken.folder / "star.npz", place.folder)
    place.write(locked)
    assert f"the image {locked} cannot be read. Have its owner call" in refusal(place)


def test_a_submit_with_a_scan_that_is_not_bound_submits_nothing(image, mistaken, scan):
    mistaken.write(image, scan=scan, more=", options: [--no-mount, tmp]")
    said = refusal(mistaken)
    assert f"the container does not see {scan}. Add its folder to binds" in said


def test_a_submit_with_a_bind_of_nothing_submits_nothing(image, mistaken):
    mistaken.write(image, more=", binds: [/nowhere]")
    assert "binds: there is no /nowhere to bind. Mend the path" in refusal(mistaken)
