"""The prepare stage: a store for the key of the task, built once and by whoever comes first."""

import json

import numpy as np
import pytest

from hpc.context import Requeue, TaskContext
from hpc.errors import UserError
from hpc.heartbeat import read_heartbeat
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch.data import source
from ptychopinn_batch.data.header import input_identity
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.data.writer import write_npz
from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.stages import prepare
from ptychopinn_batch.stages.params import STORE_SCHEMA, PrepareParams, ScanContent

SMALL = Simulation(frames=24, frame_size=32, step=3.0, photons=1e4)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "scan.npz"
    write_npz(simulate_scan(SMALL), path)
    return path


def context_of(
    folder, scan: Scan, *, stop: bool = False, name: str = "first", reader: str = "ptychopinn 2"
) -> TaskContext:
    params = PrepareParams(
        scan=ScanContent.of(scan),
        input=input_identity(folder / scan.path) if scan.path else None,
        reader=reader if scan.path else None,
        store_schema=STORE_SCHEMA,
    )
    task = make_task(
        id="prepare-scan",
        stage="prepare",
        entry=PrepareParams.entry(),
        revision=PrepareParams.revision,
        params=params.as_json(),
        extras={"path": str(folder / scan.path) if scan.path else None, "scan": "scan"},
        resources=Resources(time="01:00:00", mem_gb=1.0, cpus=1, gpus=0),
    )
    run = RunPaths(folder / "runs", name)
    run.create()
    return TaskContext(run, task, stop=lambda: stop)


def store_of(context: TaskContext) -> ScanStore:
    return ScanStore.open(context.run.store(context.task.key))


def test_a_file_becomes_the_store_of_its_task(file, tmp_path):
    context = context_of(tmp_path, Scan(path=file.name))
    result = prepare.run(context)
    store = store_of(context)
    assert result["built"] is True
    assert result["frames"] == store.info.frames == 24
    assert result["content_id"] == store.info.content_id
    assert store.info.measurement == "amplitude"


def test_a_simulation_becomes_a_store_with_its_truth(tmp_path):
    scan = Scan(simulate=SMALL, frames=10, energy_ev=8000.0, distance_m=1.0, detector_pixel_m=75e-6)
    context = context_of(tmp_path, scan)
    prepare.run(context)
    info = store_of(context).info
    assert (info.frames, info.dtype, info.origin) == (10, "uint16", "simulated")
    assert info.reference_is_truth
    assert info.canvas.pixel_size_m == info.geometry.pixel_size(32)


def test_a_store_that_another_run_built_is_used(file, tmp_path):
    prepare.run(context_of(tmp_path, Scan(path=file.name)))
    second = context_of(tmp_path, Scan(path=file.name), name="second")
    file.unlink()  # not even needed
    assert prepare.run(second)["built"] is False


def test_the_legacy_dictionary_is_filled_and_kept(file, tmp_path):
    context = context_of(tmp_path, Scan(path=file.name))
    prepare.run(context)
    kept = json.loads(context.run.task_params(context.task.id).read_text())
    assert str(file) in map(str, kept.values())


def test_progress_is_told_in_frames(tmp_path):
    context = context_of(tmp_path, Scan(simulate=SMALL))
    prepare.run(context)
    context.close()
    beat = read_heartbeat(context.run.heartbeat(context.task.id))
    assert (beat.step, beat.total) == (24, 24)
    assert beat.figures["frames_per_s"] > 0


def test_a_task_that_is_asked_to_stop_leaves_nothing_half_done(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "BLOCK_PIXELS", 5 * 32 * 32)
    stopped = context_of(tmp_path, Scan(simulate=SMALL), stop=True)
    with pytest.raises(Requeue, match="5 of 24 frames"):
        prepare.run(stopped)
    assert not stopped.run.store(stopped.task.key).exists()
    assert prepare.run(context_of(tmp_path, Scan(simulate=SMALL)))["built"] is True


def test_a_file_that_changed_since_it_was_planned_is_refused(file, tmp_path, refusal_of):
    context = context_of(tmp_path, Scan(path=file.name))
    write_npz(simulate_scan(SMALL.model_copy(update={"seed": 1})), file)
    assert refusal_of(prepare.run, context) == (
        "this file was changed since the run was planned",
        str(file),
        "Submit the run again",
    )


def test_a_file_that_was_planned_for_another_reader_is_refused(file, tmp_path, refusal_of):
    context = context_of(tmp_path, Scan(path=file.name), reader="ptychopinn 9")
    assert refusal_of(prepare.run, context) == (
        "this file is read by 'ptychopinn 2' here, but by 'ptychopinn 9' in the plan",
        str(file),
        "Install the same readers, or submit again",
    )


def test_a_broken_file_is_told_as_it_is(tmp_path):
    path = tmp_path / "scan.npz"
    np.savez(path, diff3d=np.ones((5, 16, 16)))
    with pytest.raises(UserError, match=r"scan.npz: there is no xcoords"):
        prepare.run(context_of(tmp_path, Scan(path=path.name)))
