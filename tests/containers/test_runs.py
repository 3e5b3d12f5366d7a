"""Every task in the container: the same results as without, and nothing is left behind."""

import re
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import psutil
import pytest
from accounts import Account
from contained import Place, assert_same_object

from hpc.fsio import sha256_file
from hpc.heartbeat import read_heartbeat
from hpc.ledger import Ended, read_entries, read_state
from tests import waiting

pytestmark = pytest.mark.timeout(2400)  # the image is built for the first of them

PATIENCE = 600  # seconds
until = partial(waiting.until, seconds=PATIENCE, pause=0.2)

# On a cluster each account sees a run to its end and one that is ended early, in half the runs.
AS_ROOT = pytest.mark.parametrize("account", ["root"], indirect=True)
AS_ORDINARY_USER = pytest.mark.parametrize("account", ["ordinary user"], indirect=True)


@pytest.fixture(scope="module")
def without():
    """The run on this machine, in no container: four ranks of one training."""
    with tempfile.TemporaryDirectory(prefix="ptychopinn-place-") as folder:
        place = Place(Path(folder), Account(None))
        place.write("unused.sif")
        place.submit()
        Path(folder).chmod(0o755)
        yield place


@pytest.fixture
def own(account, place, own_image, without):
    """The same scan and spec, in a folder of the account."""
    shutil.copy(without.folder / "star.npz", place)
    found = Place.of(place, account, own_image)
    found.write(own_image)
    return found


def leftovers(image):
    """Processes in the image, mounts and loop devices of it."""
    processes = [
        process.info["cmdline"]
        for process in psutil.process_iter(["cmdline"])
        if any(str(image) in word for word in process.info["cmdline"] or ())
    ]
    mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if str(image) in line]
    loops = subprocess.run(
        ["losetup", "--list", "--noheadings", "--output=BACK-FILE"],
        capture_output=True,
        text=True,
        check=False,
    )
    return processes + mounts + [line for line in loops.stdout.splitlines() if str(image) in line]


def test_on_this_machine(own, own_image, without):
    own.submit("--profile", "hall", "--executor", "local")
    assert own.images() == {sha256_file(own_image)}
    assert without.images() == {None}
    assert_same_object(own, without)
    assert own.submit("--profile", "hall", "--executor", "local").startswith("Nothing to do")
    until(lambda: leftovers(own_image) == [])


@AS_ROOT
def test_on_a_cluster_with_a_training_of_two_nodes_of_two_ranks(cluster, own, own_image, without):
    assert "All 6 tasks are done" in own.submit("--profile", "hall", "--watch")
    assert own.hosts() <= set(cluster.nodes)
    assert own.images() == {sha256_file(own_image)}
    assert_same_object(own, without)
    until(lambda: leftovers(own_image) == [])


def test_the_doctor_finds_nothing_to_mend_here_and_on_a_node(cluster, own):
    done = own.call("doctor", "--profile", "hall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Nothing to mend.\n")
    well = re.findall(r"^ok +([^:]+): ", done.stdout, re.MULTILINE)
    assert {"container", "job", "folder on a node", "program on a node"} <= set(well)


def steps(place):
    beat = read_heartbeat(place.run.heartbeat("train-default"))
    return beat.step if beat else 0


@AS_ORDINARY_USER
def test_a_training_that_is_preempted_goes_on_and_ends_as_an_undisturbed_one(
    cluster, own, own_image, without
):
    # Without cgroups SLURM's signals end what mounts the image too (see `doctor`).
    spared = "" if cluster.enforces_memory else ", options: [--unsquash]"
    own.write(own_image, partition="low", more=spared)
    own.submit("--profile", "hall")
    until(lambda: steps(own) >= 1)
    # More than what is left of any two nodes: the training has to make room.
    urgent = ("sbatch", "--nodes=2", "--mem=3500", "--output=/dev/null", "--wrap=sleep 1")
    subprocess.run(urgent, check=True, stdout=subprocess.DEVNULL)
    watched = own.call("watch", "small")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    ends = [e for e in read_entries(own.run.ledger("train-default")) if isinstance(e, Ended)]
    assert ("requeued", "preemption") in [(end.outcome, end.fault) for end in ends]
    assert ends[-1].outcome == "done"
    assert_same_object(own, without)


@AS_ROOT
def test_a_cancelled_task_leaves_nothing_behind(cluster, own, own_image):
    own.write(own_image, regions=4000)
    own.submit("--profile", "hall")
    until(lambda: steps(own) >= 1)
    assert leftovers(own_image) != []
    assert own.call("cancel", "small").returncode == 0
    until(lambda: read_state(own.run, "train-default").status == "cancelled")
    until(lambda: leftovers(own_image) == [])
