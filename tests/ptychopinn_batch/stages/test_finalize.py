"""From tiles to files: a small scan through infer, package and finalize."""

import json
from datetime import timedelta

import h5py
import numpy as np
import pytest
import torch
import zarr

from hpc.context import Requeue, TaskContext
from hpc.errors import StateError
from hpc.fsio import read_json
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.task import make_task
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.jobspec import CnnSettings, Model, Scan, Simulation, Tiled, UnrolledSettings
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.package import (
    Training,
    load_package,
    package_identity,
    read_manifest,
    save_package,
    verify_package,
)
from ptychopinn_batch.readers.opened import read_scan
from ptychopinn_batch.report.record import ResultReport
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.stages import finalize, infer, package
from ptychopinn_batch.stages.params import (
    PRETRAINED,
    UNTRAINED,
    FinalizeParams,
    InferParams,
    PackageParams,
    array_key,
)
from ptychopinn_batch.training.paths import TrainingPaths

RESOURCES = Resources(time=timedelta(hours=1), mem_gb=1.0, cpus=1, gpus=0)
SCAN = Simulation(frames=81, frame_size=32, step=4.0, photons=1e5, probe_radius=0.14)
MODEL = Model(pretrained="none", unrolled=UnrolledSettings(width=4, hidden=2, depth=2))
INFER = Tiled(steps=6, tile=64, precision="32")
EXTRAS = {
    "variant": "default",
    "scan": "s",
    "model": MODEL.model_dump(mode="json"),
    "seed": 0,
}
NETWORK = f"{UNTRAINED}abc"
EXPORTS = {"product.h5", "diffraction.h5", "product.npz", "train.npz"}
PICTURES = {"amplitude.png", "phase.png"}
RECORDS = {"metrics.json", "params.json", "provenance.json", "report.json"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run whose tiles are written, and the store of its scan."""
    run = RunPaths(tmp_path_factory.mktemp("runs"), "r")
    run.create()
    store = build_store(simulate_scan(SCAN), run.store("store1"))
    infer.run(context(run, task("i", infer_params(store))))
    return run, store


def array(store):
    values = {"network": NETWORK, "store": "store1", "infer": INFER}
    return array_key(**values, canvas=store.info.canvas)


def infer_params(store):
    rows, columns = store.info.canvas.tile_counts(INFER.tile)
    return InferParams(
        network=NETWORK,
        store="store1",
        infer=INFER,
        canvas=store.info.canvas,
        tiles=(0, rows * columns),
        array_key=array(store),
    )


def finalize_params(store, **changes):
    values = {
        "store": "store1",
        "network": NETWORK,
        "infer": INFER,
        "array_key": array(store),
        "canvas": store.info.canvas,
        "export": ("npz", "ptychodus", "png"),
    }
    return FinalizeParams(**{**values, **changes})


def task(name, params, **extras):
    return make_task(
        id=name,
        stage=params.stage,
        entry=params.entry(),
        revision=1,
        params=params.as_json(),
        extras={**EXTRAS, **extras},
        resources=RESOURCES,
    )


def context(run, task, **kwargs):
    return TaskContext(run, task, **kwargs)


@pytest.fixture(scope="module")
def finalized(made):
    run, store = made
    result = finalize.run(context(run, task("f", finalize_params(store))))
    return ResultPaths(run.result("default", "s")), store, result


@pytest.fixture
def again(made, finalized, monkeypatch):
    """Finalizes the same result once more, and puts back what was there. The scan is not judged
    again."""
    run, store = made
    paths, _, _ = finalized
    before = {p: p.read_bytes() for p in paths.folder.iterdir() if p.is_file()}
    monkeypatch.setattr(finalize, "examine", lambda *_: pytest.fail("it is known"))
    yield lambda name, **changes: finalize.run(
        context(run, task(name, finalize_params(store, **changes)))
    )
    for path, content in before.items():
        path.write_bytes(content)


def test_everything_that_was_asked_for_is_there(finalized):
    paths, _, _ = finalized
    names = {p.name for p in paths.folder.iterdir() if not p.name.startswith(".")}
    assert names == EXPORTS | PICTURES | RECORDS | {"object.zarr", "object.tiles"}


def test_metrics_are_those_of_a_good_small_scan(finalized):
    paths, store, result = finalized
    metrics = read_json(paths.metrics, Metrics)
    assert metrics.as_json() == result
    assert metrics.frames == store.info.frames
    assert metrics.R_noise < metrics.R < metrics.R_held_out < metrics.R_empty
    assert metrics.phase_corr > 0.7
    assert metrics.reference_is_truth
    assert metrics.coverage == 1
    assert metrics.reasons
    assert metrics.seconds["finalize"] > 0
    assert metrics.peak_rss_mb > 10


def test_what_a_report_shows_is_left_beside_it(made, finalized):
    paths, _, _ = finalized
    found = read_json(paths.report, ResultReport)
    assert found.key == task("f", finalize_params(made[1])).key
    names = [panel.name for panel in found.panels]
    assert names[:4] == ["amplitude", "phase", "probe", "positions"]
    assert [curve.name for curve in found.curves] == ["Fourier ring correlation with the reference"]


def test_a_result_is_whole_without_its_pictures(again, finalized, monkeypatch, caplog):
    paths, _, _ = finalized
    monkeypatch.setattr(finalize, "draw", lambda *_, **more: 1 / 0)
    again("f8", export=("png",))
    assert paths.metrics.exists()
    assert not paths.report.exists()
    assert "could not be made" in caplog.text


def test_the_title_of_a_product_tells_scan_variant_and_residual(finalized):
    paths, _, result = finalized
    with h5py.File(paths.product_hdf5) as file:
        assert file.attrs["name"] == "s (default)"
        assert f"R = {result['R']:.5f}" in file.attrs["comments"]


def test_training_data_are_amplitudes_on_the_pixels_of_the_object(finalized):
    paths, store, _ = finalized
    with np.load(paths.train_npz, allow_pickle=False) as npz, h5py.File(paths.product_hdf5) as h5:
        n, obj = store.info.n, npz["objectGuess"]
        corner = np.floor(np.stack([npz["xcoords"], npz["ycoords"]], 1) - n // 2)
        np.testing.assert_array_equal(obj, h5["object"][()])
        assert npz["diff3d"].shape == (store.info.frames, n, n)
        assert npz["diff3d"].dtype == np.float32
        assert (corner >= 0).all()
        assert (corner + n <= obj.shape[::-1]).all()
    with h5py.File(paths.diffraction) as file, np.load(paths.train_npz) as npz:
        np.testing.assert_allclose(npz["diff3d"] ** 2, file["patterns"][()], atol=0.01)


def test_training_data_are_a_scan_that_can_be_read_again(finalized, tmp_path):
    paths, store, _ = finalized
    again = build_store(read_scan(Scan(path=str(paths.train_npz))), tmp_path / "again")
    assert again.info.photons == pytest.approx(store.info.photons, rel=1e-4)
    canvas = store.info.canvas
    moved = store.positions - torch.tensor([canvas.x0, canvas.y0])
    torch.testing.assert_close(again.positions, moved)


def test_the_legacy_dictionary_is_kept_with_the_result(finalized):
    paths, store, _ = finalized
    assert json.loads(paths.params.read_text())["N"] == store.info.n


def test_provenance_names_all_keys(finalized):
    paths, store, _ = finalized
    found = read_json(paths.provenance, finalize.ResultProvenance)
    assert (found.store, found.network, found.array_key) == ("store1", NETWORK, array(store))
    assert found.provenance.versions["torch"] == torch.__version__


def test_exports_no_longer_asked_for_are_removed(again, finalized):
    paths, _, _ = finalized
    again("f2", export=("png",))
    names = {p.name for p in paths.folder.iterdir()}
    assert names >= PICTURES | RECORDS
    assert not names & EXPORTS


def test_images_for_other_programs_come_and_go_with_what_is_asked_for(again, finalized):
    paths, store, _ = finalized
    again("f6", export=("ome-zarr", "tiff"))
    assert {"amplitude.tiff", "phase.tiff"} <= {p.name for p in paths.folder.iterdir()}
    shown = zarr.open_group(paths.object_array, mode="r")
    assert shown["image/0"].shape == (2, *store.info.canvas.shape)
    assert shown.attrs["ome"]["version"] == "0.5"
    again("f7", export=())
    assert not {"amplitude.tiff", "phase.tiff"} & {p.name for p in paths.folder.iterdir()}
    assert "image" not in zarr.open_group(paths.object_array, mode="r")


def test_a_result_with_a_missing_tile_is_refused_and_nothing_is_written(made):
    run, store = made
    other = task("f3", finalize_params(store, array_key="other"), scan="t")
    with pytest.raises(StateError, match="no object array"):
        finalize.run(context(run, other))
    assert not run.result("default", "t").exists()


def test_an_array_of_other_settings_is_refused(made):
    run, store = made
    with pytest.raises(StateError, match="expected other"):
        finalize.run(context(run, task("f4", finalize_params(store, array_key="other"))))


def test_a_task_asked_to_stop_wants_to_run_again(made):
    run, store = made
    wish = context(run, task("f5", finalize_params(store, export=())), stop=lambda: True)
    with pytest.raises(Requeue):
        finalize.run(wish)


def packaged(run, name, params, **extras):
    result = package.run(context(run, task(name, params, variant=name, **extras)))
    return load_package(run.model(name)), result


def test_an_untrained_network_is_packaged_as_what_it_is(made):
    run, _ = made
    params = PackageParams(network=NETWORK, model=MODEL, train=None)
    loaded, result = packaged(run, "p1", params)
    assert loaded.manifest.training.train is None
    assert result["identity"] == loaded.manifest.identity
    expected = infer.network_of(context(run, task("x", params)), NETWORK).state_dict()
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, expected[name])


def a_package(run, folder):
    params = PackageParams(network=NETWORK, model=MODEL, train=None)
    network = infer.network_of(context(run, task("x", params)), NETWORK)
    training = Training(train=None, start=None, data=())
    save_package(folder, network, name="n", seed=0, training=training, metrics={})
    return folder


def test_a_pretrained_network_is_copied_with_its_manifest(made, tmp_path):
    run, _ = made
    source = a_package(run, tmp_path / "source")
    params = PackageParams(network=PRETRAINED + package_identity(source), model=Model(), train=None)
    loaded, _ = packaged(run, "p2", params, package=str(source))
    assert loaded.manifest.name == "n"


def test_a_package_that_was_replaced_since_the_plan_is_refused(made, tmp_path, refusal_of):
    run, _ = made
    source = a_package(run, tmp_path / "source")
    params = PackageParams(network=PRETRAINED + "0" * 64, model=Model(), train=None)
    assert refusal_of(packaged, run, "p3", params, package=str(source)) == (
        "this package is not the one the run was planned with",
        str(source),
        "Submit the run again",
    )
    assert not run.model("p3").exists()


def test_what_is_published_is_kept_for_all_runs(made):
    run, _ = made
    loaded, _ = packaged(run, "p5", PackageParams(network=NETWORK, model=MODEL, train=None))
    kept = run.models / loaded.manifest.digest
    assert read_manifest(kept) == loaded.manifest


def test_a_network_is_also_written_in_the_formats_asked_for(made):
    run, _ = made
    settings = CnnSettings(filters_scale=1, input="amplitude")
    model = Model(pretrained="none", architecture="cnn", cnn=settings)
    params = PackageParams(
        network=NETWORK, model=model, train=None, export=("bundle", "safetensors")
    )
    loaded, _ = packaged(run, "p6", params, model=model.model_dump(mode="json"))
    files = sorted(loaded.manifest.files)
    assert files == ["model.pth", "model.safetensors", "wts.h5.zip"]
    assert verify_package(run.model("p6")) == loaded.manifest
    assert (run.models / loaded.manifest.digest / "wts.h5.zip").is_file()


def test_tiles_are_not_made_by_another_network_than_was_planned(made, tmp_path):
    run, _ = made
    source = a_package(run, tmp_path / "source")
    params = PackageParams(network=NETWORK, model=MODEL, train=None)
    with pytest.raises(StateError, match="not the one the run was planned with"):
        infer.network_of(
            context(run, task("x", params, package=str(source))), PRETRAINED + "0" * 64
        )


def test_a_trained_network_is_packaged_with_its_training(made):
    run, _ = made
    a_package(run, TrainingPaths(run.training("key1")).package)
    loaded, _ = packaged(run, "p4", PackageParams(network="key1", model=MODEL, train=None))
    assert loaded.manifest.name == "n"
