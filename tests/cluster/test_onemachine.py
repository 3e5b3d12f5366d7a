"""The throw-away cluster itself: it ends jobs as a real one does, and leaves nothing behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cluster_fixtures import PREFIX, end_abandoned, owned
from onemachine.folder import Folder

from tests.waiting import until

HERE = Path(__file__).parent


def ask(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def fails(*command):
    return subprocess.run(command, capture_output=True, timeout=60).returncode != 0


def sbatch(wrap, *options):
    quiet = ("--output=/dev/null", "--chdir=/tmp")
    return ask("sbatch", "--parsable", *quiet, *options, f"--wrap={wrap}").strip()


def accounted(job, *options):
    """State of every row that sacct has of a job, its steps left out."""
    return ask("sacct", "-n", "-X", "-P", "-o", "State", "-j", job, *options).split()


def shown(job, field):
    """A field of a job as the controller knows it, which is sooner than sacct does."""
    words = ask("scontrol", "show", "job", job).split()
    return next(word.partition("=")[2] for word in words if word.startswith(f"{field}="))


def runs(job):
    return shown(job, "JobState") == "RUNNING"


# On the cluster


def test_an_array_ends_with_every_element_completed(cluster):
    job = sbatch("true", "--array=0-7")
    until(lambda: accounted(job) == ["COMPLETED"] * 8)


def test_nodes_differ_and_their_names_resolve(cluster, tmp_path):
    if not cluster.has_hostnames:
        pytest.skip("no namespaces here")
    print_names = "srun sh -c 'getent hosts $(hostname)' > names"
    job = sbatch(print_names, "--nodes=3", f"--chdir={tmp_path}")
    until(lambda: shown(job, "JobState") == "COMPLETED")
    names = {line.split()[1] for line in (tmp_path / "names").read_text().splitlines()}
    assert names == set(cluster.nodes)


def test_a_job_gets_the_gpus_it_asks_for(cluster, tmp_path):
    job = sbatch("echo $CUDA_VISIBLE_DEVICES > gpus", "--gres=gpu:2", f"--chdir={tmp_path}")
    until(lambda: shown(job, "JobState") == "COMPLETED")
    assert (tmp_path / "gpus").read_text() == "0,1\n"


def test_the_job_of_a_killed_node_fails_and_starts_again_elsewhere(cluster):
    job = sbatch("sleep 60")
    until(lambda: runs(job))
    node = shown(job, "NodeList")
    cluster.kill_node(node)
    until(lambda: runs(job) and shown(job, "NodeList") != node)
    until(lambda: accounted(job, "--duplicates") == ["NODE_FAIL", "RUNNING"])


def test_a_job_goes_on_without_a_controller(cluster, tmp_path):
    job = sbatch("touch began; sleep 2; touch ended", f"--chdir={tmp_path}")
    until((tmp_path / "began").exists)
    cluster.stop_controller()
    assert fails("scontrol", "ping")  # squeue would take 9 s to fail
    until((tmp_path / "ended").exists)
    cluster.start_controller()
    until(lambda: shown(job, "JobState") == "COMPLETED")


def test_sacct_fails_without_accounting_and_knows_later_what_happened_meanwhile(cluster):
    cluster.stop_accounting()
    assert fails("sacct")
    job = sbatch("true")
    until(lambda: shown(job, "JobState") == "COMPLETED")
    cluster.start_accounting()
    until(lambda: accounted(job) == ["COMPLETED"])


def test_a_job_that_asked_for_too_little_memory_runs_out_of_it(cluster):
    hungry = f"{sys.executable} -c 'import time; x = b\"x\" * 300_000_000; time.sleep(20)'"
    job = sbatch(hungry, "--mem=50")
    expected = "OUT_OF_MEMORY" if cluster.enforces_memory else "FAILED"
    until(lambda: accounted(job) == [expected])


def test_a_reset_cures_whatever_a_test_does(cluster):
    stubborn = "trap '' TERM; sleep 100; sleep 100"
    jobs = [
        sbatch(stubborn),
        sbatch("sleep 100", "--array=0-40"),
        sbatch("true", "--begin=now+1hour"),
    ]
    until(lambda: runs(jobs[0]))
    cluster.kill_node("node1")
    cluster.kill_node("node2", notify=False)
    ask("scontrol", "update", "NodeName=node3", "State=DRAIN", "Reason=test")
    cluster.stop_controller()
    cluster.stop_accounting()
    cluster.reset()
    assert ask("squeue", "-h") == ""
    assert ask("sinfo", "-h", "-p", "main", "-o", "%T %D").split() == ["idle", "3"]
    assert "slurmdbd" in ask("sacctmgr", "show", "config")


# On clusters of their own


def starter(*arguments, **options):
    return subprocess.run(
        [HERE / "slurm", *map(str, arguments)],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


@pytest.fixture
def state(session_cluster):
    """A path for a small cluster; whatever a test does, nothing of it runs on."""
    path = Path("/tmp") / f"slurm-test-own-{os.getpid()}"
    yield path
    starter("down", "--purge", path)


def command_lines():
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text()
        except OSError:
            continue


def test_nothing_is_left_of_a_cluster_and_the_same_folder_serves_again(state):
    for _ in range(2):
        up = starter("up", "--nodes=1", "--no-accounting", state)
        assert up.returncode == 0, up.stderr
        assert f"export SLURM_CONF={state}/etc/slurm.conf\n" in up.stdout
        assert any(str(state) in line for line in command_lines())
        assert starter("status", state).returncode == 0
        assert starter("down", "--purge", state).returncode == 0
        assert not state.exists()
        assert not any(str(state) in line for line in command_lines())
        assert str(state) not in Path("/proc/mounts").read_text()


def test_a_second_up_starts_what_is_missing_and_refuses_other_settings(state):
    assert starter("up", "--nodes=1", "--no-accounting", "--plain", state).returncode == 0
    assert starter("kill-node", "node1", state).returncode == 0
    assert starter("status", state).returncode == 1
    other = starter("up", "--nodes=2", state)
    assert other.returncode == 2
    assert "was made with another nodes" in other.stderr
    assert starter("up", state).returncode == 0
    assert starter("status", state).returncode == 0
    assert starter("down", state).returncode == 0
    assert starter("status", state).returncode == 3


def test_only_folders_of_its_own_are_used_and_deleted(state):
    state.mkdir()
    kept = state / "thesis.txt"
    kept.touch()
    refused = starter("up", state)
    assert refused.returncode == 2
    assert "neither empty nor a state folder" in refused.stderr
    assert starter("down", "--purge", state).returncode == 0
    assert starter("reset", state).returncode == 2
    assert list(state.iterdir()) == [kept]
    shutil.rmtree(state)


@pytest.mark.parametrize(("name", "said"), [("x" * 80, "too long"), ("a b", "use only letters")])
def test_a_path_that_would_not_work_is_refused_before_anything_is_made(
    session_cluster, tmp_path, name, said
):
    refused = starter("up", tmp_path / name)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [("kill-node", "node9"), ("stop-accounting",)])
def test_what_a_cluster_lacks_is_one_message(state, arguments):
    assert starter("up", "--nodes=1", "--no-accounting", state).returncode == 0
    refused = starter(*arguments, state)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1


def test_the_cluster_of_a_session_that_was_killed_is_ended_and_no_other(session_cluster):
    folder = Folder.new(PREFIX)
    with owned(folder):
        up = starter("up", "--nodes=1", "--no-accounting", folder.root)
        assert up.returncode == 0, up.stderr
        end_abandoned()
        assert starter("status", folder.root).returncode == 0
    end_abandoned()
    assert not folder.root.exists()
    assert starter("status", session_cluster.state).returncode == 0
