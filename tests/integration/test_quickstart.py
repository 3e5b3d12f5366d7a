"""The quickstart in small: one scan simulated, a network trained, an object, all exports; and then
what must not happen: work done twice, work lost when something is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

from hpc.heartbeat import read_heartbeat
from hpc.ledger import read_state
from hpc.paths import RunPaths
from ptychopinn_batch import load_model
from ptychopinn_batch.cli import cli
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.results.paths import ResultPaths
from tests import waiting
from tests.ptychopinn_batch.one_process import Here
from tests.threads import threads_of_torch

SPEC = """\
version: 1
name: small
scans:
  - name: star
    simulate: {frames: 100, frame_size: 32, object: star, step: 6.0, probe_radius: 0.2}
model: {pretrained: none, unrolled: {width: 4, hidden: 2, depth: 2}}
train: {epochs: 2, regions_per_epoch: 6, window: 64, unroll: [1, 2], warm: 2, split: frames}
infer: {steps: 4, tile: 64}
"""
TASKS = (
    "prepare-star",
    "train-default",
    "package-default",
    "infer-default-star-0",
    "finalize-default-star",
)
PATIENCE = 240  # seconds
until = partial(waiting.until, seconds=PATIENCE, pause=0.005)


class Place:
    """A working folder with the spec and its runs."""

    def __init__(self, folder):
        self.folder = folder
        self.run = RunPaths(folder / "runs", "small")
        (folder / "small.yaml").write_text(SPEC)

    def start(self, *options):
        """A submit in a process of its own; one thread, so that sums are made in one order."""
        return subprocess.Popen(
            [sys.executable, "-m", "ptychopinn_batch", "submit", "small.yaml", *options],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def submit(self, *options):
        """What a submit prints that ends well."""
        process = self.start(*options)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, stdout + stderr
        return stdout

    def attempts(self):
        return {name: read_state(self.run, name).attempt for name in TASKS}

    def kill_worker(self, task, when):
        """Kill the process of a running task, without warning, once `when` holds."""
        until(lambda: self.run.ledger(task).exists() and when())
        worker = read_state(self.run, task).process
        if worker:
            os.killpg(worker.pid, signal.SIGKILL)

    @property
    def result(self):
        return ResultPaths(self.run.result("default", "star"))

    def object(self):
        return ObjectStore.open(self.result.object_array).read()


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A place where the run was done without any disturbance, and what submit printed."""
    place = Place(tmp_path_factory.mktemp("undisturbed"))
    place.printed = place.submit()
    return place


class Copy(Place):
    """What is submitted there is done in this process, in one thread too."""

    def submit(self, *options):
        result = CliRunner().invoke(cli, ["submit", "small.yaml", *options])
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def copy(done, tmp_path, monkeypatch):
    """The same, to be changed."""
    shutil.copytree(done.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hpc.executors.local.Child", Here)
    with threads_of_torch(1):
        yield Copy(tmp_path)


def test_one_command_leads_from_a_spec_to_every_file_that_is_promised(done):
    result = done.result
    exports = [path for kind in ("npz", "ptychodus", "png") for path in result.exports(kind)]
    for path in (*exports, result.metrics, result.params, result.object_array):
        assert path.exists(), path
    metrics = Metrics.model_validate_json(result.metrics.read_bytes())
    assert metrics.R / metrics.R_empty < 0.2
    assert metrics.phase_corr > 0.5
    assert f"{metrics.R:.5f}" in done.printed
    assert f"{metrics.phase_corr:.4f}" in done.printed
    assert load_model(done.run.model("default")).manifest.architecture == "unrolled"


def test_the_legacy_parameters_of_every_task_are_kept(done):
    kept = {name: json.loads(done.run.task_params(name).read_text()) for name in TASKS}
    reading = [name for name in TASKS if name.startswith(("train", "infer", "finalize"))]
    assert [kept[name]["N"] for name in reading] == [32, 32, 32]


def test_the_same_command_again_does_nothing(copy):
    assert copy.submit().startswith("Nothing to do: all 5 tasks are done.\n")
    assert set(copy.attempts().values()) == {1}


def test_after_a_change_of_the_inference_training_is_not_repeated(copy):
    before = copy.object()
    copy.submit("--set", "infer.steps=6")
    assert copy.attempts() == {
        "prepare-star": 1,
        "train-default": 1,
        "package-default": 1,
        "infer-default-star-0": 2,
        "finalize-default-star": 2,
    }
    assert not np.array_equal(copy.object().object, before.object, equal_nan=True)


def test_a_scan_is_refined_first_where_the_spec_says_so_and_never_for_the_worse(copy):
    before = Metrics.model_validate_json(copy.result.metrics.read_bytes())
    assert (before.position_shift_px, before.mode_power) == (None, None)
    copy.submit("--set", "refine.modes=2", "--set", "refine.positions=true")
    assert copy.attempts() == {
        "prepare-star": 1,
        "train-default": 1,
        "package-default": 1,
        "infer-default-star-0": 2,
        "finalize-default-star": 2,
    }
    assert read_state(copy.run, "refine-default-star").status == "done"
    metrics = Metrics.model_validate_json(copy.result.metrics.read_bytes())
    assert metrics.R < 1.02 * before.R
    assert metrics.position_shift_px is not None
    assert sum(metrics.mode_power) == pytest.approx(1)
    with np.load(copy.result.train_npz) as file:
        shift = np.hypot(*(file[k] - file[f"{k}_start"] for k in ("xcoords", "ycoords")))
    assert np.sqrt((shift**2).mean()) == pytest.approx(metrics.position_shift_px, abs=1e-9)
    assert copy.submit("--set", "refine.modes=2", "--set", "refine.positions=true").startswith(
        "Nothing to do: all 6 tasks are done.\n"
    )


def test_a_result_that_was_deleted_is_made_again_to_the_same_object_though_stores_are_gone(copy):
    before = copy.object()
    shutil.rmtree(copy.result.folder)
    shutil.rmtree(copy.run.stores)
    copy.submit()
    assert copy.attempts() == {
        "prepare-star": 2,
        "train-default": 1,
        "package-default": 1,
        "infer-default-star-0": 2,
        "finalize-default-star": 2,
    }
    assert np.array_equal(copy.object().object, before.object, equal_nan=True)
    assert copy.result.metrics.exists()


def test_whatever_is_killed_the_same_submit_ends_with_the_same_object(done, tmp_path):
    place = Place(tmp_path)
    run, stores = place.run, place.run.stores

    submit = place.start()
    place.kill_worker("prepare-star", lambda: stores.exists() and any(stores.iterdir()))
    submit.communicate(timeout=PATIENCE)
    assert submit.returncode == 1

    submit = place.start()
    until(lambda: read_heartbeat(run.heartbeat("train-default")) is not None)
    submit.kill()
    submit.communicate(timeout=PATIENCE)
    place.kill_worker("train-default", lambda: True)

    submit = place.start()
    records = place.result.object_array.with_suffix(".tiles")
    place.kill_worker("infer-default-star-0", lambda: records.exists() and any(records.iterdir()))
    submit.communicate(timeout=PATIENCE)

    place.submit()
    attempts = place.attempts()
    assert attempts["train-default"] > 1
    assert sum(attempts.values()) <= len(TASKS) + 3
    disturbed, undisturbed = place.object(), done.object()
    for name in ("object", "weight", "seen"):
        assert np.array_equal(
            getattr(disturbed, name), getattr(undisturbed, name), equal_nan=name == "object"
        )
