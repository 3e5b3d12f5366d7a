"""The infer stage: every tile once, on however many devices, and on from where it was stopped."""

from datetime import timedelta

import numpy as np
import pytest
import torch

from hpc.context import Requeue, TaskContext
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.jobspec import Model, Simulation, Tiled, UnrolledSettings
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.stages import infer
from ptychopinn_batch.stages.params import UNTRAINED, InferParams

SCAN = Simulation(frames=81, frame_size=32, step=6.0, photons=1e5, probe_radius=0.14)
MODEL = Model(pretrained="none", unrolled=UnrolledSettings(width=4, hidden=2, depth=2))
INFER = Tiled(steps=2, tile=64, halo=17, precision="32")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return build_store(simulate_scan(SCAN), tmp_path_factory.mktemp("stores") / "store1")


@pytest.fixture
def run(tmp_path, store):
    """A run that finds the store where it looks for it."""
    run = RunPaths(tmp_path, "r")
    run.create()
    run.store("store1").parent.mkdir(parents=True, exist_ok=True)
    run.store("store1").symlink_to(store.folder)
    return run


def infer_task(store):
    rows, columns = store.info.canvas.tile_counts(INFER.tile)
    assert rows * columns > 1
    params = InferParams(
        network=f"{UNTRAINED}abc",
        store="store1",
        infer=INFER,
        canvas=store.info.canvas,
        tiles=(0, rows * columns),
        array_key="k",
    )
    return make_task(
        id="i",
        stage=params.stage,
        entry=params.entry(),
        revision=1,
        params=params.as_json(),
        extras={"variant": "v", "scan": "s", "model": MODEL.model_dump(mode="json"), "seed": 0},
        resources=Resources(time=timedelta(hours=1), mem_gb=1.0, cpus=1, gpus=0),
    )


def array(run, task):
    return ObjectStore.open(ResultPaths.of(run, task).object_array)


def test_several_devices_share_the_tiles_and_write_what_one_writes(run, store, monkeypatch):
    task = infer_task(store)
    infer.run(TaskContext(run, task))
    alone = array(run, task).read()
    array(run, task).folder.rename(run.folder / "alone.zarr")
    monkeypatch.setattr(infer, "devices", lambda: [torch.device("cpu")] * 2)
    result = infer.run(TaskContext(run, task))
    assert result["tiles"] == len(array(run, task).tiles)
    np.testing.assert_allclose(array(run, task).read().object, alone.object, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
def test_a_stopped_task_keeps_its_tiles_and_goes_on_from_there(run, store, monkeypatch, count):
    monkeypatch.setattr(infer, "devices", lambda: [torch.device("cpu")] * count)
    task, asked = infer_task(store), iter([False, False])
    with pytest.raises(Requeue, match="of 4 tiles are written") as stop:
        infer.run(TaskContext(run, task, stop=lambda: next(asked, True)))
    missing = array(run, task).missing()
    assert stop.value.kept
    assert 0 < len(missing) < len(array(run, task).tiles)
    before = infer.run(TaskContext(run, task))
    assert array(run, task).missing() == ()
    assert before["frames"] < infer_frames(run, store)


def infer_frames(run, store):
    """Frames that all tiles take together, halos included."""
    fresh = RunPaths(run.root, "fresh")
    fresh.create()
    return infer.run(TaskContext(fresh, infer_task(store)))["frames"]


def test_a_task_that_is_stopped_before_its_first_tile_has_kept_nothing(run, store):
    with pytest.raises(Requeue) as stop:
        infer.run(TaskContext(run, infer_task(store), stop=lambda: True))
    assert not stop.value.kept
