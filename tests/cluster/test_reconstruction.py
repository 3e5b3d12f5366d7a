"""Reconstruction on a real SLURM: the same files as on one machine, whatever happens meanwhile."""

import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from hpc.heartbeat import read_heartbeat
from hpc.ledger import Ended, read_entries, read_state
from hpc.paths import RunPaths
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.training.checkpoints import DurableCheckpoints
from ptychopinn_batch.training.paths import TrainingPaths
from tests import waiting

PATIENCE = 240  # seconds
until = partial(waiting.until, seconds=PATIENCE, pause=0.1)

SPEC = """\
version: 1
name: small
scans:
  - name: star
    simulate: {frames: 100, frame_size: 32, object: star, step: 6.0, probe_radius: 0.2}
model: {pretrained: none, unrolled: {width: 4, hidden: 2, depth: 2}}
train: {epochs: 2, regions_per_epoch: 96, window: 64, unroll: [1, 2], warm: 2, accumulate: 4,
        workers: 0, nodes: 2, devices: 2, split: frames}
infer: {steps: 4, tile: 64, tiles_per_task: 2}
resources:
  prepare: {mem_gb: 2, cpus: 1}
  train: {mem_gb: 3, cpus: 1}
  infer: {mem_gb: 2, cpus: 1}
  finalize: {mem_gb: 2, cpus: 1}
"""
LOW = "version: 1\npartition: low\nsignal_s: 30\n"


class Place:
    """A working folder with the spec, a profile and their run."""

    def __init__(self, folder):
        self.folder = folder
        self.run = RunPaths(folder / "runs", "small")
        (folder / "small.yaml").write_text(SPEC)
        (folder / "profiles").mkdir()
        (folder / "profiles" / "low.yaml").write_text(LOW)

    def call(self, *arguments):
        """What a command prints that ends well."""
        done = subprocess.run(
            [sys.executable, "-m", "ptychopinn_batch", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def weights(self):
        training = read_state(self.run, "train-default").done_key
        return DurableCheckpoints().load_checkpoint(TrainingPaths(self.run.training(training)).last)

    def object(self):
        result = ResultPaths(self.run.result("default", "star"))
        return ObjectStore.open(result.object_array).read().object

    def metrics(self):
        result = ResultPaths(self.run.result("default", "star"))
        return Metrics.model_validate_json(result.metrics.read_bytes())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The run on this machine: four ranks of one training, none of them disturbed."""
    place = Place(tmp_path_factory.mktemp("undisturbed"))
    place.call("submit", "small.yaml")
    return place


def steps(run):
    beat = read_heartbeat(run.heartbeat("train-default"))
    return beat.step if beat else 0


def assert_same_training(one, other):
    first, second = one.weights(), other.weights()
    assert first["global_step"] == second["global_step"]
    for name, value in first["state_dict"].items():
        assert torch.equal(value, second["state_dict"][name]), name


def test_two_nodes_of_two_ranks_make_what_one_machine_makes(cluster, undisturbed, tmp_path):
    place = Place(tmp_path)
    printed = place.call("submit", "small.yaml", "--executor", "slurm", "--watch")
    assert "All 6 tasks are done" in printed
    assert_same_training(place, undisturbed)
    assert np.array_equal(place.object(), undisturbed.object(), equal_nan=True)
    assert place.metrics().R == undisturbed.metrics().R
    assert place.call("submit", "small.yaml", "--executor", "slurm").startswith("Nothing to do")


def test_a_training_of_four_ranks_that_is_preempted_ends_with_the_same_weights(
    cluster, undisturbed, tmp_path
):
    place = Place(tmp_path)
    place.call("submit", "small.yaml", "--profile", "low")
    until(lambda: steps(place.run) >= 5)  # of 48: long before the end
    # More than what is left of any two nodes: the training has to make room.
    urgent = ("sbatch", "--nodes=2", "--mem=3500", "--output=/dev/null", "--wrap=sleep 1")
    subprocess.run(urgent, check=True, stdout=subprocess.DEVNULL)
    place.call("watch", "small")
    ends = [e for e in read_entries(place.run.ledger("train-default")) if isinstance(e, Ended)]
    assert [(end.outcome, end.fault) for end in ends] == [
        ("requeued", "preemption"),
        ("done", None),
    ]
    assert_same_training(place, undisturbed)
    assert np.array_equal(place.object(), undisturbed.object(), equal_nan=True)
