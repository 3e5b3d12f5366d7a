"""Taking tasks back from SLURM: they and no others."""

from collections.abc import Callable

import pytest

from hpc.cancel import cancel_tasks
from hpc.executors.slurm import SlurmExecutor
from hpc.ledger import read_states
from hpc.paths import RunPaths
from hpc.slurm.cancel import withdraw
from hpc.slurm.client import Slurm, SlurmError
from hpc.task import Task

Make = Callable[..., Task]


@pytest.fixture(autouse=True)
def handed_over(cluster, run: RunPaths, make: Make, slurm: Slurm) -> None:
    """Three tasks in one array, job 100, and one behind them."""
    tasks = [make(name) for name in "abc"]
    SlurmExecutor(slurm=slurm).submit(run, [*tasks, make("end", needs=tasks, stage="end")])


def test_all_of_an_array_is_one_job_and_a_part_of_it_its_elements(
    cluster, run: RunPaths, slurm: Slurm
) -> None:
    withdraw(run, ["a", "b", "c"], slurm)
    withdraw(run, ["a", "c", "end"], slurm)
    assert cluster.calls("scancel") == [
        ["--quiet", "100"],
        ["--quiet", "100_0", "100_2", "103"],
    ]


def test_what_slurm_does_not_have_is_not_asked_back(cluster, run: RunPaths, slurm: Slurm) -> None:
    withdraw(run, [], slurm)
    withdraw(run, ["nobody"], slurm)
    assert cluster.calls("scancel") == []


def test_a_wish_to_cancel_is_recorded_and_told_to_slurm(cluster, run: RunPaths) -> None:
    assert cancel_tasks(run, ["b"]) == ("b",)
    assert cluster.calls("scancel") == [["--quiet", "100_1"]]
    statuses = {name: state.status for name, state in read_states(run, "abc").items()}
    assert statuses == {"a": "queued", "b": "cancelled", "c": "queued"}


def test_a_wish_to_cancel_is_recorded_though_slurm_cannot_be_told(
    cluster, run: RunPaths, slurm: Slurm
) -> None:
    (cluster.bin / "scancel").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(SlurmError):
        cancel_tasks(run, ["b"])
    assert read_states(run, ["b"])["b"].status == "cancelled"
