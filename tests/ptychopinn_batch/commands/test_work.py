"""Which executor is meant, and where it cannot be used."""

import click
import pytest

from hpc.settings import Settings
from hpc.slurm.profile import Profile
from ptychopinn_batch.commands.work import executor_of

ON_SLURM = Settings(executor="slurm", profile=Profile(version=1))


def test_slurm_needs_its_commands(tmp_path, monkeypatch, refusal_of):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal_of(executor_of, ON_SLURM) == (
        "there is no sbatch on this machine",
        "--executor slurm",
        "Submit on a login node of the cluster",
    )


def test_how_many_run_at_once_is_said_elsewhere_for_a_cluster():
    with pytest.raises(click.UsageError) as caught:
        executor_of(ON_SLURM, parallel=3)
    assert caught.value.message == ("--parallel is for this machine; a spec has array_parallelism.")
