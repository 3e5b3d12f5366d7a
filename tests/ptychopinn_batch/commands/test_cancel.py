"""`cancel`: what is meant, and what is said where SLURM cannot be told."""

import pytest

from hpc.ledger import Queued, append, read_state
from hpc.resources import Resources
from hpc.slurm.batches import Accepted, Batch, Batches


@pytest.fixture
def handed_over(on_disk):
    """A run whose task waits in SLURM as job 77."""
    run = on_disk("demo", "train-a")
    batches = Batches(run.paths)
    batches.add(
        Batch(
            token="t1",
            name="demo.train.t1",
            stage="train",
            tasks=("train-a",),
            resources=Resources(time=3600, mem_gb=1, cpus=1, gpus=0),
            script="",
        )
    )
    batches.settle(Accepted(token="t1", job="77"))
    append(run.paths.ledger("train-a"), Queued(key=run.tasks["train-a"].key, batch="t1"))
    return run


def test_where_slurm_cannot_be_told_the_wish_is_recorded_all_the_same(
    handed_over, call, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path))  # where no scancel is
    assert call("cancel", "demo") == (
        2,
        "",
        "Error: run demo: SLURM was not told (scancel: there is no such command here). No task "
        "will be started; give the command again to end those that run\n",
    )
    assert read_state(handed_over.paths, "train-a").status == "cancelled"


def test_tasks_are_named_or_a_stage(on_disk, refuses):
    on_disk("demo", "train-a")
    said = refuses("cancel", "demo", "train-a", "--stage", "train")
    assert said.endswith("Error: Name TASKs or a --stage, not both.\n")


def test_a_file_that_names_no_run_is_refused(on_disk, refuses, tmp_path):
    (tmp_path / "positions.yaml").write_text("version: 1\n")
    assert refuses("cancel", "positions.yaml") == (
        "Error: positions.yaml: this is no job spec: it has no name. Give the run's name, or its "
        "folder\n"
    )
