"""Commands of SLURM: what they find in their environment, and what is made of their errors."""

from __future__ import annotations

import pytest

from hpc.slurm.command import SlurmError, environment, run

SCRIPT = """#!/bin/bash
#SBATCH --array=0-2%1
#SBATCH --time=5
#SBATCH --mem=50M
#SBATCH --account=proj7
#SBATCH --requeue
true
"""


def test_a_command_is_given_its_words_and_a_clean_environment(
    tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SINFO_PARTITION", "debug")
    tool("sinfo", 'echo "$1 ${SINFO_PARTITION-unset}"')
    assert run("sinfo", "a b", timeout=9) == "a b unset\n"


def test_bytes_that_are_no_text_are_no_error(tool) -> None:
    tool("squeue", r"printf '\377\376|\n'")
    assert run("squeue", timeout=9).endswith("|\n")


def test_an_error_is_told_on_one_line_without_what_says_nothing(tool) -> None:
    tool("sinfo", "echo 'sinfo: error: Unable to contact\n\n  the controller' >&2; exit 1")
    with pytest.raises(SlurmError, match=r"^sinfo: Unable to contact; the controller$") as error:
        run("sinfo", timeout=9)
    assert error.value.busy


def test_an_error_without_a_word_is_an_error(tool) -> None:
    tool("scancel", "exit 3")
    with pytest.raises(SlurmError, match="scancel: failed without a word") as error:
        run("scancel", timeout=9)
    assert not error.value.busy


def test_a_command_that_does_not_answer_is_not_waited_for_for_ever(tool) -> None:
    tool("sbatch", "exec sleep 60")
    with pytest.raises(SlurmError, match=r"sbatch: timed out after 0\.2 s") as error:
        run("sbatch", timeout=0.2)
    assert error.value.busy


@pytest.mark.parametrize(
    "name",
    [
        *("SLURM_ARRAY_TASK_ID", "SLURM_NTASKS", "SRUN_CPUS_PER_TASK"),
        *("SQUEUE_FORMAT", "SACCT_FORMAT", "SINFO_PARTITION", "SCONTROL_ALL"),
    ],
)
def test_the_shape_of_a_job_around_us_and_filters_of_a_user_are_left_out(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "3")
    assert name not in environment()


def test_where_the_cluster_is_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    assert environment()["SLURM_CONF"] == "/etc/slurm.conf"


@pytest.mark.parametrize(
    "name",
    [
        "SBATCH_ACCOUNT",
        "SBATCH_TIMELIMIT",
        "SBATCH_ARRAY_INX",
        "SBATCH_MEM_PER_NODE",
        "SBATCH_MEM_PER_CPU",
        "SBATCH_NO_REQUEUE",
        "SBATCH_WAIT",
    ],
)
def test_what_a_user_has_set_does_not_win_over_the_script(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "7")
    assert name not in environment(beside=SCRIPT)


@pytest.mark.parametrize("name", ["SBATCH_QOS", "SBATCH_PARTITION", "SBATCH_WAIT_ALL_NODES"])
def test_what_a_user_has_set_and_the_script_does_not_say_stays(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "7")
    assert environment(beside=SCRIPT)[name] == "7"


def test_times_are_asked_for_in_the_form_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    assert environment()["SLURM_TIME_FORMAT"] == "standard"
