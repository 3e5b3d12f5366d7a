"""What each stage tells the legacy bridge before it touches data, and that nothing else does."""

import json
import re
from pathlib import Path

import pytest

from hpc.context import TaskContext
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch import legacy
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import CnnSettings, Model, Scan, Tiled, Train, UnrolledSettings
from ptychopinn_batch.legacy import LegacySettings, Measured
from ptychopinn_batch.stages.params import (
    InferParams,
    PackageParams,
    PrepareParams,
    ScanContent,
    TrainParams,
)

pytestmark = pytest.mark.usefixtures("untouched")

SOURCE = Path(legacy.__file__).parents[2]
SETTINGS = LegacySettings(
    purpose="training", data=Measured(frame_size=128, frames=516, photons=461_213.0)
)


def context(folder: Path, **extras: str) -> TaskContext:
    run = RunPaths(folder, "run")
    run.create()
    resources = Resources.model_validate(
        {"time": "00:10:00", "mem_gb": 1.0, "cpus": 1, "gpus": 0}, strict=False
    )
    task = make_task(
        id="a-task",
        stage="any",
        entry="a.module:run",
        revision=1,
        params={},
        extras=extras,
        resources=resources,
    )
    return TaskContext(run, task)


def kept(task: TaskContext) -> dict:
    return json.loads(task.run.task_params("a-task").read_text())


class Info:
    """What a scan store says of itself."""

    def __init__(self, n: int, frames: int, photons: float) -> None:
        self.n, self.frames, self.photons = n, frames, photons


NEW_CNN = Model(pretrained="none", architecture="cnn", cnn=CnnSettings(gridsize=2))


def test_what_was_filled_is_kept_with_the_task(tmp_path):
    task = context(tmp_path)
    filled = legacy.enter(task, SETTINGS)
    assert kept(task) == filled
    assert filled["N"] == 128


def test_prepare_knows_its_file_and_how_many_frames_are_used(tmp_path):
    task = context(tmp_path, path="/data/scan.npz")
    scan = ScanContent.of(Scan(path="scan.npz", frames=300))
    identity = {"sha256": "0" * 64, "size": 1}
    params = PrepareParams.model_validate(
        {"scan": scan, "input": identity, "reader": "ptychopinn", "store_schema": 1}
    )
    legacy.enter_prepare(task, params)
    assert kept(task)["train_data_file_path"] == "/data/scan.npz"
    assert kept(task)["n_subsample"] == 300


def test_training_takes_the_mean_dose_of_all_frames_of_all_stores(tmp_path):
    task = context(tmp_path)
    params = TrainParams(
        model=NEW_CNN, start=None, train=Train(loss="poisson"), stores=("a", "b"), seed=5
    )
    legacy.enter_training(task, params, [Info(64, 100, 1e6), Info(64, 300, 2e6)])
    values = kept(task)
    assert (values["nphotons"], values["n_groups"], values["N"]) == (1.75e6, 400, 64)
    assert (values["gridsize"], values["subsample_seed"]) == (2, 5)
    assert values["train_data_file_path"] == str(task.run.stores)


def test_training_on_simulations_alone_has_no_dose(tmp_path):
    task = context(tmp_path)
    model = Model(pretrained="none", unrolled=UnrolledSettings())
    params = TrainParams(model=model, start=None, train=Train(simulated=1.0), stores=(), seed=0)
    legacy.enter_training(task, params, [])
    assert "intensity_scale" not in kept(task)
    assert "train_data_file_path" not in kept(task)


def test_inference_knows_scan_model_and_result(tmp_path):
    task = context(tmp_path, variant="default", scan="star", package="/models/shipped")
    canvas = Canvas(x0=0, y0=0, height=100, width=100)
    params = InferParams(
        network="pretrained:x",
        store="a",
        infer=Tiled(),
        canvas=canvas,
        tiles=(0, 1),
        array_key="k",
    )
    legacy.enter_inference(task, params, Info(128, 516, 4e5), CnnSettings(n=128, gridsize=2))
    values = kept(task)
    assert values["test_data_file_path"] == str(task.run.store("a"))
    assert values["model_path"] == "/models/shipped"
    assert values["output_prefix"] == str(task.run.result("default", "star"))
    assert (values["N"], values["gridsize"], values["nphotons"]) == (128, 2, 4e5)


def test_packaging_knows_the_network(tmp_path):
    task = context(tmp_path)
    legacy.enter_package(task, PackageParams(network="key", model=NEW_CNN, train=Train(epochs=3)))
    assert (kept(task)["gridsize"], kept(task)["nepochs"]) == (2, 3)


def test_nothing_else_knows_the_legacy_dictionary():
    legacy_words = re.compile(r"params\.cfg|\bptycho\.params|(from|import)\s+ptycho\b")
    knowing = [
        path.relative_to(SOURCE)
        for package in ("ptychopinn_batch", "hpc")
        for path in (SOURCE / package).rglob("*.py")
        if legacy_words.search(path.read_text())
    ]
    assert knowing
    assert [path for path in knowing if path.parts[:2] != ("ptychopinn_batch", "legacy")] == []
