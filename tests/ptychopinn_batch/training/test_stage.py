"""The train stage: what it says of a stop, which rank publishes, and that all ranks are there."""

import math

import pytest

from hpc.context import Requeue, TaskContext
from hpc.errors import StateError
from hpc.paths import RunPaths
from hpc.ranks import Ranks, follower_environments
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch.jobspec import Model, Train
from ptychopinn_batch.package import read_manifest
from ptychopinn_batch.stages import train
from ptychopinn_batch.stages.params import TrainParams
from ptychopinn_batch.training.fit import Fitted
from ptychopinn_batch.training.paths import TrainingPaths

OUTER_STEP = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}
DONE = Fitted(complete=True, advanced=True, first_score=-1.0, kept_score=-2.0, epochs=2, skipped=0)


@pytest.fixture
def context(tmp_path):
    params = TrainParams(
        model=Model(pretrained="none"), start=None, train=Train(simulated=1.0), stores=(), seed=1
    )
    task = make_task(
        id="train",
        stage="train",
        entry=TrainParams.entry(),
        revision=TrainParams.revision,
        params=params.as_json(),
        extras={"variant": "default", "devices": 2, "nodes": 1},
        resources=Resources(time="01:00:00", mem_gb=1.0, cpus=1, gpus=0),
    )
    run = RunPaths(tmp_path / "runs", "run")
    run.create()
    return TaskContext(run, task)


@pytest.fixture
def rank(monkeypatch):
    """Make this process one of two ranks, whose training ends in a given way."""

    def play(number, fitted):
        for name, value in follower_environments(2, 1, 4711)[number].items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(train, "fit", lambda *_, **__: fitted)

    return play


@pytest.mark.parametrize("advanced", [True, False])
def test_a_stop_says_whether_anything_was_kept(context, rank, advanced):
    rank(1, Fitted(False, advanced, math.inf, math.inf, 0, 0))
    with pytest.raises(Requeue) as wish:
        train.run(context)
    assert wish.value.kept == advanced


def test_the_first_rank_alone_publishes(context, rank):
    package = TrainingPaths(context.run.training(context.task.key)).package
    rank(1, DONE)
    told = train.run(context)
    assert not package.exists()
    rank(0, DONE)
    assert train.run(context).keys() == told.keys()
    assert read_manifest(package).metrics["validation"] == pytest.approx(math.exp(-2))


@pytest.mark.parametrize("environ", [{}, OUTER_STEP])
def test_a_training_of_one_process_takes_no_part_in_what_it_was_started_from(environ):
    assert train.ranks_of(Train(), environ) == Ranks()


def test_a_training_does_not_begin_with_fewer_ranks_than_it_is_spread_over():
    with pytest.raises(StateError, match="4 processes are to train, but this one is of 2"):
        train.ranks_of(Train(devices=2, nodes=2), OUTER_STEP)
