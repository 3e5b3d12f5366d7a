"""The refine stage: from a scan store to another one, which all later stages work with."""

import json

import numpy as np
import pytest
import torch

from hpc.context import Requeue, TaskContext
from hpc.errors import UserError
from hpc.fsio import read_json
from hpc.heartbeat import read_heartbeat
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Model, Refine, Simulation, Tiled, UnrolledSettings
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.stages import finalize, infer, refine
from ptychopinn_batch.stages.params import (
    UNTRAINED,
    FinalizeParams,
    InferParams,
    RefineParams,
    array_key,
)
from tests.threads import threads_of_torch

SCAN = Simulation(
    frames=81,
    frame_size=32,
    step=4.0,
    photons=1e5,
    probe_radius=0.14,
    modes=2,
    recorded_modes=1,
    position_error=0.5,
)
MODEL = Model(pretrained="none", unrolled=UnrolledSettings(width=4, hidden=2, depth=2))
CNN = Model(pretrained="none", architecture="cnn")
REFINE = Refine(modes=2, positions=True, position_error=0.5, steps=8)
INFER = Tiled(tile=64, halo=32, precision="32")
NETWORK = f"{UNTRAINED}abc"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose scan is prepared."""
    paths = RunPaths(tmp_path_factory.mktemp("runs"), "r")
    paths.create()
    with threads_of_torch(1):
        build_store(simulate_scan(SCAN), paths.store("store1"))
        yield paths


def context(run, params, *, name="refine-s", model=MODEL, needs=(), stop=lambda: False):
    extras = {"variant": "default", "scan": "s", "seed": 0, "model": model.model_dump(mode="json")}
    task = make_task(
        id=name,
        stage=params.stage,
        entry=params.entry(),
        revision=params.revision,
        params=params.as_json(),
        extras=extras,
        needs=needs,
        resources=Resources(time="01:00:00", mem_gb=1.0, cpus=1, gpus=0),
    )
    return TaskContext(run, task, stop=stop)


def params_of(run, store="store1", **changes):
    asked = REFINE.model_copy(update=changes)
    canvas = ScanStore.open(run.store("store1")).info.canvas.grown(asked.margin)
    return RefineParams(network=NETWORK, store=store, refine=asked, infer=INFER, canvas=canvas)


@pytest.fixture(scope="module")
def done(run):
    """The scan refined: its context, what the task told, the store."""
    made = context(run, params_of(run))
    result = refine.run(made)
    made.close()
    return made, result, ScanStore.open(run.store(made.task.key))


def test_a_store_of_the_tasks_own_key_holds_what_was_found(run, done):
    made, _, store = done
    first = ScanStore.open(run.store("store1"))
    assert store.info.canvas == RefineParams.of(made.task).canvas
    assert store.probe.shape == (2, 32, 32)
    assert not torch.equal(store.positions, first.positions)
    assert torch.equal(store.recorded_positions, first.positions)
    store.verify()
    first.verify()


def test_the_task_tells_how_far_frames_were_moved_and_how_light_is_shared(done):
    _, result, store = done
    distance = (store.positions - store.recorded_positions).norm(dim=1)
    assert result["shift_rms"] == pytest.approx(float(distance.square().mean()) ** 0.5)
    assert result["shift_max"] == pytest.approx(float(distance.max()))
    assert 0 < result["shift_rms"] < REFINE.furthest
    assert sum(result["mode_power"]) == pytest.approx(1)
    assert result["seconds"] > 0
    assert result["peak_rss_mb"] > 10
    json.dumps(result)


def test_progress_is_told_in_parts(run, done):
    beat = read_heartbeat(run.heartbeat(done[0].task.id))
    assert beat.step == beat.total > 1


def test_the_legacy_dictionary_is_filled_and_kept(run, done):
    assert json.loads(run.task_params(done[0].task.id).read_text())["N"] == 32


def test_a_store_that_another_run_refined_is_used(run, done):
    """Neither the scan nor the network is even opened."""
    made, result, store = done
    elsewhere = RunPaths(run.root, "second")
    elsewhere.create()
    again = refine.run(TaskContext(elsewhere, made.task.model_copy(update={"extras": {}})))
    assert again["shift_rms"] == result["shift_rms"]
    assert ScanStore.open(elsewhere.store(made.task.key)).info == store.info


def test_a_task_that_is_asked_to_stop_wants_to_run_again_and_leaves_nothing(run):
    stopped = context(run, params_of(run, steps=9), name="stopped", stop=lambda: True)
    with pytest.raises(Requeue, match="asked to stop after 1 of"):
        refine.run(stopped)
    assert not run.store(stopped.task.key).exists()


def test_a_network_without_steps_is_refused(run):
    cnn = context(run, params_of(run, steps=10), name="cnn", model=CNN)
    with pytest.raises(UserError, match="a 'cnn' has no steps to refine anything between"):
        refine.run(cnn)
    assert not run.store(cnn.task.key).exists()


# What comes of it


@pytest.fixture(scope="module")
def result(run, done):
    """The files of the scan, reconstructed as it was refined."""
    made, _, store = done
    values = {"network": NETWORK, "store": made.task.key, "infer": INFER}
    key = array_key(**values, canvas=store.info.canvas)
    rows, columns = store.info.canvas.tile_counts(INFER.tile)
    shared = {**values, "canvas": store.info.canvas, "array_key": key}
    tiles = context(run, InferParams(**shared, tiles=(0, rows * columns)), name="infer-s")
    infer.run(tiles)
    end = FinalizeParams(**shared, export=("npz", "ptychodus", "png"))
    finalize.run(context(run, end, name="finalize-s"))
    return ResultPaths(run.result("default", "s"))


def test_metrics_tell_what_was_refined(result, done):
    metrics = read_json(result.metrics, Metrics)
    record = done[2].info.refinement
    assert metrics.position_shift_px == record.shift_rms
    assert metrics.mode_power == record.mode_power
    assert metrics.coverage == 1, "the room around the frames is not part of the scanned area"


def test_training_data_keep_the_recorded_positions_beside_the_refined_ones(result, done):
    _, _, store = done
    order = torch.argsort(store.original_row)
    zero = np.array([store.info.canvas.x0, store.info.canvas.y0])
    with np.load(result.train_npz) as file:
        for key, positions in (("", store.positions), ("_start", store.recorded_positions)):
            found = np.stack([file[f"xcoords{key}"], file[f"ycoords{key}"]], 1)
            np.testing.assert_allclose(found, positions[order].numpy() - zero)
        assert file["probeGuess"].shape == (2, 32, 32)
