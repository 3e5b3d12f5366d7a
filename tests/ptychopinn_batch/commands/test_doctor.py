"""`doctor`: each check passes where all is well, and says what to mend where it is not."""

import fcntl
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpc.errors import UserError
from hpc.slurm.profile import Profile
from ptychopinn_batch.checkup import cluster, here
from ptychopinn_batch.checkup.finding import bad, carried_out, good, warning
from ptychopinn_batch.cli import cli

ANSWERS = Path(__file__).parents[2] / "hpc" / "slurm" / "answers"


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A machine without SLURM and Apptainer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def tool(folder, name, text):
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def doctor(*arguments):
    result = CliRunner().invoke(cli, ["doctor", *arguments])
    return result.exit_code, result.output


def test_on_a_machine_without_slurm_the_machine_alone_is_checked(alone):
    code, said = doctor("--runs", "runs")
    assert code == 0
    assert said.endswith("Nothing to mend.\n")
    for about in ("python", "torch", "submitit", "locks", "rename", "disk space"):
        assert f"  {about}: " in said
    assert list(alone.glob(".doctor*")) == []


def test_a_slurm_that_does_not_answer_is_no_fault_of_a_machine_that_nobody_asked_to_use_it(alone):
    for name in ("sbatch", "squeue", "scontrol", "sacct"):
        tool(alone, name, "echo 'no controller' >&2; exit 1")
    code, said = doctor("--runs", "runs")
    assert code == 0
    assert said.count("slurm: its commands are here, but it does not answer") == 1
    assert "MaxArraySize" not in said


def test_what_makes_a_cpu_fast_is_told(monkeypatch):
    assert here.loops() == good("loops of a CPU", "compiled, transforms by FFTW")
    monkeypatch.setattr("ptychopinn_batch.networks.transforms.fftw", lambda: None)
    assert "transforms by torch (pip install 'ptychopinn-batch[fftw]'" in here.loops().what
    monkeypatch.setattr("ptychopinn_batch.networks.fused.compiled", lambda: None)
    assert here.loops().verdict == "warning"


def test_a_profile_for_slurm_needs_slurm(alone):
    (alone / "hall.yaml").write_text("version: 1\n")
    code, said = doctor("--profile", "./hall.yaml")
    assert code == 2
    assert "BAD      slurm: there is no SLURM here" in said
    assert said.endswith(" to mend.\n")


def test_a_profile_that_is_not_there(alone):
    code, said = doctor("--profile", "hall")
    assert code == 2
    assert "BAD      profile: profile 'hall': there is no hall.yaml" in said


def test_an_image_that_is_not_there(alone):
    text = "version: 1\nexecutor: local\ncontainer: {image: p.sif}\n"
    (alone / "hall.yaml").write_text(text)
    code, said = doctor("--profile", "./hall.yaml")
    assert code == 2
    assert f"there is no image {alone}/p.sif" in said


def test_arrays_larger_than_the_cluster_takes(alone):
    tool(alone, "scontrol", f"/bin/cat {ANSWERS}/site/config.txt {ANSWERS}/site/partitions.txt")
    tool(alone, "sinfo", f"/bin/cat {ANSWERS}/site/nodes.txt")
    checks = dict(cluster.checks_of_slurm(Profile(version=1, array_size=10**6)))
    finding = checks["MaxArraySize"]()
    assert finding.verdict == "bad"
    assert finding.mend.startswith("Write array_size: ")


def test_without_accounting_there_is_a_warning(alone):
    tool(alone, "sacct", "echo accounting is disabled >&2; exit 1")
    finding = dict(cluster.checks_of_slurm(Profile(version=1)))["sacct"]()
    assert (finding.verdict, "accounting is disabled" in finding.what) == ("warning", True)


def test_what_a_job_tells_of_a_healthy_node(alone):
    tool(
        alone,
        "srun",
        'while [ "$1" != bash ]; do shift; done\nexec /usr/bin/env PATH=/usr/bin:/bin "$@"',
    )
    findings = list(cluster.node_checks(Profile(version=1), alone))
    assert [finding.verdict for finding in findings] == ["ok"] * 5
    assert list(alone.glob(".doctor*")) == []


CONTAINED = Profile.model_validate({"version": 1, "container": {"image": "p.sif", "nv": True}})
INSIDE = 'facts {{"version": "{version}", "time": {time}, "seen": {seen}, "torch": "2", "gpus": 0}}'


@pytest.mark.parametrize(
    ("kind", "options", "verdict"),
    [("cgroup", [], "ok"), ("linuxproc", [], "warning"), ("linuxproc", ["--unsquash"], "ok")],
)
def test_where_signals_reach_what_mounts_the_image_there_is_a_warning(
    alone, kind, options, verdict
):
    tool(alone, "scontrol", f"echo 'ProctrackType           = proctrack/{kind}'")
    container = {"image": "p.sif", "options": options}
    profile = Profile.model_validate({"version": 1, "container": container})
    assert dict(cluster.checks_of_slurm(profile))["signals"]().verdict == verdict


def told(alone, *lines, profile=CONTAINED):
    """What is wrong by the output of a job, by what it is about."""
    (alone / "said").write_text("\n".join(lines))
    tool(alone, "srun", f"/bin/cat {alone}/said")
    found = cluster.node_checks(profile, alone)
    return {one.about: one.verdict for one in found if one.verdict != "ok"}


def test_what_a_job_tells_of_a_node_where_nothing_works(alone):
    inside = INSIDE.format(version="0.0.1", time=0, seen="false")
    assert told(alone, "fact host n1", "fact program ", inside) == {
        "apptainer": "bad",
        "user namespaces": "warning",
        "FUSE": "warning",
        "program on a node": "bad",
        "folder on a node": "bad",
        "clock of a node": "warning",
        "GPUs on a node": "warning",
    }


def test_a_job_that_does_not_start(alone):
    assert told(alone, "srun: error: invalid partition") == {"job": "bad"}


def test_without_srun_no_job_is_started(alone, refusal_of):
    assert refusal_of(list, cluster.node_checks(Profile(version=1), alone)) == (
        "there is no srun here",
        None,
        "Run it on a login node",
    )


def test_a_job_that_gets_no_node(alone, monkeypatch, refusal_of):
    monkeypatch.setattr(cluster, "PATIENCE", 0.05)
    tool(alone, "srun", "exec /bin/sleep 60")
    assert refusal_of(list, cluster.node_checks(Profile(version=1), alone)) == (
        "no node was free within 0.05 s",
        None,
        "Try again when the cluster is less busy, or with --no-job",
    )
    assert list(alone.glob(".doctor*")) == []


def test_a_file_system_that_gives_a_lock_to_two(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda file, how: None)
    assert here.locks(tmp_path).verdict == "bad"


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert here.locks(tmp_path).verdict == "warning"


@pytest.mark.parametrize(("apart", "verdict"), [(0.0, "ok"), (-4.9, "ok"), (61.0, "warning")])
def test_clocks_may_differ_by_seconds(apart, verdict):
    assert here.clock("clock", "the node", apart).verdict == verdict


def test_a_check_that_cannot_be_made_is_a_bad_one():
    def fails():
        raise UserError("no answer", where="slurm", mend="Wait")

    def denied():
        raise PermissionError(13, "Permission denied", "runs")

    checks = [("a", lambda: good("a", "well")), ("b", fails), ("c", denied)]
    assert list(carried_out(checks)) == [
        good("a", "well"),
        bad("b", "slurm: no answer", "Wait"),
        bad("c", "[Errno 13] Permission denied: 'runs'", ""),
    ]
    assert warning("d", "x", "y").verdict == "warning"
