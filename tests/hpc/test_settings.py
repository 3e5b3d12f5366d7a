"""How a run was submitted is kept with it."""

import pytest

from hpc.errors import StateError
from hpc.paths import RunPaths
from hpc.retry import RetryPolicy
from hpc.settings import Settings, read_settings, write_settings
from hpc.slurm.profile import Partition, Profile, StageOptions

SETTINGS = Settings(
    executor="slurm",
    profile=Profile(
        version=1,
        account="proj7",
        partition="gpu",
        stages={"prepare": StageOptions(partition=None, sbatch={"nice": 5})},
        partitions={"gpu": Partition(mem_gb=64, default=True)},
        max_jobs=500,
    ),
    retry=RetryPolicy(memory=1, time_factor=1.5),
    stage_limits={"infer": 4},
)


def test_settings_come_back_as_they_were_written(run: RunPaths) -> None:
    write_settings(run, SETTINGS)
    assert read_settings(run) == SETTINGS


def test_what_a_stage_did_not_set_still_follows_the_general_option(run: RunPaths) -> None:
    write_settings(run, SETTINGS)
    options = read_settings(run).profile.options("prepare")
    assert (options.partition, options.account) == (None, "proj7")


def test_the_last_submission_counts(run: RunPaths) -> None:
    write_settings(run, SETTINGS)
    local = Settings(executor="local")
    write_settings(run, local)
    assert read_settings(run) == local


def test_the_same_settings_are_not_written_again(run: RunPaths) -> None:
    write_settings(run, SETTINGS)
    before = run.executor.stat()
    write_settings(run, SETTINGS)
    assert run.executor.stat().st_ino == before.st_ino


def test_missing_settings_are_said_with_the_way_to_mend_it(run: RunPaths) -> None:
    with pytest.raises(StateError, match=r"executor\.json: this file is missing\. Submit the run"):
        read_settings(run)


@pytest.mark.parametrize("text", ["{torn", '{"executor": "moon"}'])
def test_damaged_settings_are_said_with_the_way_to_mend_it(run: RunPaths, text: str) -> None:
    run.folder.mkdir(parents=True)
    run.executor.write_text(text)
    with pytest.raises(StateError, match=r"not a valid Settings .* Submit the run again"):
        read_settings(run)
