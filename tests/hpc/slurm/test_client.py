"""SLURM's commands: what is asked, what is asked again, and what an error means."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpc.slurm.client import Slurm, SlurmError

ARRAY = """#!/bin/bash
#SBATCH --job-name=demo.infer.abc
#SBATCH --array=0-2%1
#SBATCH --time=5
#SBATCH --mem=50M
#SBATCH --account=proj7
#SBATCH --requeue
true
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "job of mine.sh"
    path.write_text(ARRAY)
    return path


# Submitting


def test_a_script_becomes_a_job_whose_id_is_told(cluster, slurm: Slurm, script: Path) -> None:
    assert slurm.submit(script) == "100"
    assert cluster.jobs == ["100_0", "100_1", "100_2"]


def test_an_id_is_found_among_the_words_of_a_site(cluster, slurm: Slurm, script: Path) -> None:
    cluster.fault("sbatch", "wordy")
    assert slurm.submit(script) == "100"


def test_no_id_means_that_nobody_knows(cluster, slurm: Slurm, script: Path) -> None:
    cluster.fault("sbatch", "mute")
    with pytest.raises(SlurmError, match="Expected the id of a job") as error:
        slurm.submit(script)
    assert error.value.busy


def test_sbatch_is_never_called_again_for_it_may_have_worked(
    cluster, slurm: Slurm, script: Path
) -> None:
    cluster.fault("sbatch", "late")
    with pytest.raises(SlurmError, match="timed out") as error:
        slurm.submit(script)
    assert error.value.busy
    assert len(cluster.calls("sbatch")) == 1


def test_a_plain_no_is_told_apart(cluster, slurm: Slurm, script: Path) -> None:
    cluster.fault("sbatch", "refused")
    with pytest.raises(SlurmError, match="sbatch: error: AssocMaxSubmitJobLimit") as error:
        slurm.submit(script)
    assert not error.value.busy


def test_what_a_user_has_set_does_not_win_over_the_script(
    tool, slurm: Slurm, script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool("sbatch", f'echo "${{SBATCH_ACCOUNT-unset}} $SBATCH_QOS" > {tmp_path}/seen; echo 12')
    monkeypatch.setenv("SBATCH_ACCOUNT", "other")
    monkeypatch.setenv("SBATCH_QOS", "high")
    assert slurm.submit(script) == "12"
    assert (tmp_path / "seen").read_text() == "unset high\n"


# Asking


def test_a_busy_controller_is_asked_again(cluster, slurm: Slurm, script: Path) -> None:
    slurm.submit(script)
    cluster.fault("squeue", "busy", "busy")
    assert len(slurm.queued(["demo.infer.abc"])) == 3
    assert len(cluster.calls("squeue")) == 3


def test_a_controller_that_stays_busy_is_not_asked_for_ever(cluster, slurm: Slurm) -> None:
    cluster.fault("squeue", "always", "busy")
    with pytest.raises(SlurmError, match="Unable to contact") as error:
        slurm.queued(["demo"])
    assert error.value.busy
    assert len(cluster.calls("squeue")) == 3


def test_what_would_not_help_is_not_done_again(cluster, slurm: Slurm) -> None:
    cluster.fault("sacct", "always", "disabled")
    with pytest.raises(SlurmError, match="accounting storage is disabled") as error:
        slurm.accounted(["12"])
    assert not error.value.busy
    assert len(cluster.calls("sacct")) == 1


def test_long_lists_are_asked_about_in_parts_and_each_name_once(cluster, slurm: Slurm) -> None:
    names = [f"n{i}" for i in range(450)]
    slurm.queued([*names, *names])
    asked = [words[-1].removeprefix("--name=").split(",") for words in cluster.calls("squeue")]
    assert [len(some) for some in asked] == [200, 200, 50]
    assert [name for some in asked for name in some] == names


def test_nothing_is_asked_about_nothing(cluster, slurm: Slurm) -> None:
    assert (slurm.queued([]), slurm.accounted([])) == ([], [])
    slurm.cancel([])
    assert not (cluster.folder / "calls").exists()


def test_squeue_is_asked_about_every_element_state_and_partition(cluster, slurm: Slurm) -> None:
    slurm.queued(["demo"])
    (words,) = cluster.calls("squeue")
    assert {"--array", "--states=all", "--all", "--noheader"} < set(words)


def test_a_job_that_the_controller_has_forgotten_is_no_error(cluster, slurm: Slurm) -> None:
    assert slurm.shown("12_3") == []
    cluster.fault("scontrol", "always", "busy")
    with pytest.raises(SlurmError):
        slurm.shown("12_3")


def test_all_records_of_a_job_that_was_requeued_are_told_in_their_order(tool, slurm: Slurm) -> None:
    end = "2026-11-24T23:36:34"
    tool(
        "sacct",
        f"echo '12_3|a|NODE_FAIL|0:0|0:0|n1|{end}|'\n"
        f"echo '12_3|a|PREEMPTED|0:0|0:0|n2|{end}|'\n"
        "echo '12_3|a|RUNNING|0:0|0:0|n3|Unknown|'",
    )
    assert [report.state for report in slurm.past_records("12_3")] == [
        "NODE_FAIL",
        "PREEMPTED",
        "RUNNING",
    ]


def test_the_nodes_that_do_not_work_are_told_once(tool, slurm: Slurm) -> None:
    tool("sinfo", "echo node7; echo node2; echo node7")
    assert slurm.lost_nodes("node[1-9]") == ("node2", "node7")


def test_cancelling_names_jobs_and_elements_and_forgives_those_that_are_over(
    cluster, slurm: Slurm
) -> None:
    slurm.cancel(["12", "13_4"])
    assert cluster.calls("scancel") == [["--quiet", "12", "13_4"]]


def test_a_machine_without_slurm_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not Slurm.is_here()
    with pytest.raises(SlurmError, match="squeue: there is no such command here"):
        Slurm().queued(["demo"])
