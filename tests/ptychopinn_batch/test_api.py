"""The verbs in Python: numbers as of a run, messages as of a job spec, torch only when used."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import ptychopinn_batch as pb
from hpc.errors import UserError
from hpc.paths import RunPaths
from ptychopinn_batch.cli import cli
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.package import read_manifest, verify_package
from ptychopinn_batch.results.paths import ResultPaths
from tests.threads import threads_of_torch

from .one_process import Here

STAR = {"frames": 100, "frame_size": 32, "object": "star", "step": 6.0, "probe_radius": 0.2}
NEW = {"unrolled": {"width": 4, "hidden": 2, "depth": 2}}
TRAIN = {
    "epochs": 2,
    "regions_per_epoch": 4,
    "window": 64,
    "unroll": [1, 2],
    "warm": 2,
    "split": "frames",
}
INFER = {"steps": 4, "tile": 64}
REFINE = {"positions": True, "position_error": 0.5, "steps": 8}
SPEC = {
    "version": 1,
    "name": "small",
    "seed": 3,
    "scans": [{"name": "star", "simulate": STAR}],
    "model": {"pretrained": "none", **NEW},
    "train": TRAIN,
    "infer": INFER,
    "export": ["npz"],
}
OF_THE_MACHINE = {"seconds", "frames_per_s", "peak_rss_mb"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder, and one thread, so that sums are made in one order."""
    with threads_of_torch(1), contextlib.chdir(tmp_path_factory.mktemp("work")):
        yield


@pytest.fixture(scope="module")
def scan(folder):
    return pb.load_scan(simulate=STAR, name="star")


@pytest.fixture(scope="module")
def model(scan):
    return pb.train(scan, NEW, seed=3, name="default", **TRAIN)


@pytest.fixture(scope="module")
def result(scan, model):
    return pb.reconstruct(scan, model, **INFER)


@pytest.fixture(scope="module")
def refined(scan):
    return pb.refine(scan, NEW, seed=3, **REFINE)


@pytest.fixture(scope="module")
def run(folder, scan):
    """The same by the command line, after the scan was loaded in Python."""
    Path("small.yaml").write_text(json.dumps(SPEC))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpc.executors.local.Child", Here)
        result = CliRunner().invoke(cli, ["submit", "small.yaml"])
    assert result.exit_code == 0, result.output
    return RunPaths("runs", "small")


def stores_of(run, *, refined):
    """Names of the stores of scans that are, or are not, refined."""
    infos = {
        path.parent.name: json.loads(path.read_text()) for path in run.stores.glob("*/scan.json")
    }
    return [name for name, info in infos.items() if bool(info["refinement"]) == refined]


def test_a_training_gives_the_network_of_the_run(model, run):
    published = read_manifest(run.model("default"))
    assert model.manifest.identity == published.identity
    assert model.manifest.training == published.training
    assert model.manifest.metrics == published.metrics


def test_a_reconstruction_is_that_of_the_run(result, run):
    paths = ResultPaths(run.result("default", "star"))
    stored = ObjectStore.open(paths.object_array).read()
    np.testing.assert_array_equal(result.object, stored.object)
    np.testing.assert_array_equal(result.weight, stored.weight)
    np.testing.assert_array_equal(result.seen, stored.seen)
    told = Metrics.model_validate_json(paths.metrics.read_text())
    assert result.metrics.model_dump(exclude=OF_THE_MACHINE) == told.model_dump(
        exclude=OF_THE_MACHINE
    )


def test_a_scan_is_prepared_once_for_python_and_runs(scan, run):
    assert stores_of(run, refined=False) == [scan.store.folder.name]
    assert pb.load_scan(simulate=STAR, name="star").store.folder == scan.store.folder


def test_a_scan_is_refined_as_by_a_run(scan, refined, call, monkeypatch):
    monkeypatch.setattr("hpc.executors.local.Child", Here)
    found = pb.reconstruct(refined, NEW, seed=3, steps=2)
    spec = {key: SPEC[key] for key in ("version", "seed", "scans", "model")}
    spec |= {"name": "refined", "refine": REFINE, "infer": {"steps": 2}, "export": []}
    Path("refined.yaml").write_text(json.dumps(spec))
    assert call("submit", "refined.yaml")[0] == 0
    run = RunPaths("runs", "refined")
    told = ResultPaths(run.result("default", "star")).metrics.read_text()
    assert found.metrics.model_dump(exclude=OF_THE_MACHINE) == Metrics.model_validate_json(
        told
    ).model_dump(exclude=OF_THE_MACHINE)
    assert stores_of(run, refined=True) == [refined.store.folder.name]


def test_a_refined_scan_has_the_room_that_its_frames_may_move_in(scan, refined):
    assert scan.info.refinement is None
    assert refined.info.refinement is not None
    assert refined.info.canvas == refined.facts.canvas == scan.info.canvas.grown(2)


def test_a_refinement_by_weights_that_were_changed_is_kept_apart(scan, tmp_path):
    once, probe = pb.load_model(), {"steps": 8, "runs": tmp_path}
    first = pb.refine(scan, once, **probe).store.folder
    assert pb.refine(scan, once, **probe).store.folder == first
    with torch.no_grad():
        next(once.network.parameters()).add_(1e-3)
    assert pb.refine(scan, once, **probe).store.folder != first


@pytest.mark.parametrize("verb", [pb.train, pb.refine])
def test_what_is_refined_is_neither_trained_on_nor_refined_again(refined, verb):
    with pytest.raises(UserError, match=r"is refined already\. Give the scan as it was loaded"):
        verb(refined, NEW)


def test_exports_are_those_of_the_run(result, run, tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    files = pb.export(result, tmp_path, ["npz", "ome-zarr", "png"])
    assert all(path.exists() for path in files)
    assert (tmp_path / "mine.txt").read_text() == "stays"
    theirs = ResultPaths(run.result("default", "star")).train_npz
    with np.load(tmp_path / "train.npz") as ours, np.load(theirs) as told:
        assert ours.files == told.files
        np.testing.assert_array_equal(ours["objectGuess"], told["objectGuess"])
    with (
        np.load(tmp_path / "product.npz") as ours,
        np.load(theirs.with_name("product.npz")) as told,
    ):
        assert len(ours["loss_values"]) == TRAIN["epochs"]
        for key in ("loss_epochs", "loss_values"):
            np.testing.assert_array_equal(ours[key], told[key])
    stored = ObjectStore.open(tmp_path / "object.zarr").read()
    np.testing.assert_array_equal(stored.object, result.object)


def test_exporting_one_format_leaves_the_others(result, tmp_path):
    pb.export(result, tmp_path, ["npz"])
    pb.export(result, tmp_path, ["png"])
    assert (tmp_path / "product.npz").exists()


def test_a_network_is_exported_as_a_package_and_loaded_again(model, tmp_path):
    files = pb.export(model, tmp_path / "net", ["safetensors"])
    assert {path.name for path in files} == {"model.pth", "manifest.json", "model.safetensors"}
    assert verify_package(tmp_path / "net").identity == model.manifest.identity
    again = pb.load_model(tmp_path / "net")
    assert again.manifest.training == model.manifest.training


def test_a_package_takes_no_other_folders_place(model, tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(UserError, match="Name a new folder"):
        pb.export(model, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years"


def test_fine_tuning_leaves_the_network_it_starts_from_as_it_was(scan, model):
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    tuned = pb.train(scan, model, **{**TRAIN, "epochs": 1})
    assert tuned.manifest.training.start == model.manifest.identity
    assert tuned.manifest.identity != model.manifest.identity
    after = model.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_weights_changed_in_memory_are_those_that_reconstruct(scan, model, result):
    changed = pb.train(scan, model, **{**TRAIN, "epochs": 1})
    with torch.no_grad():
        for value in changed.network.parameters():
            value.zero_()
    assert not np.array_equal(
        pb.reconstruct(scan, changed, **INFER).object, result.object, equal_nan=True
    )


def test_a_kept_training_is_not_done_twice(scan, model, tmp_path):
    first, second = [], []
    once = pb.train(
        scan,
        NEW,
        seed=3,
        folder=tmp_path,
        progress=lambda done, total: first.append(done),
        **TRAIN,
    )
    again = pb.train(
        scan,
        NEW,
        seed=3,
        folder=tmp_path,
        progress=lambda done, total: second.append(done),
        **TRAIN,
    )
    assert once.manifest.identity == again.manifest.identity == model.manifest.identity
    assert len(first) > 0
    assert len(second) < len(first)


def test_a_published_network_is_loaded_by_its_address(run):
    published = read_manifest(run.model("default"))
    loaded = pb.load_model(f"sha256:{published.digest[:12]}")
    assert loaded.manifest.identity == published.identity


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda scan: pb.load_scan("missing.npz"), "there is no file 'missing.npz'"),
        (lambda scan: pb.load_scan(simulate=STAR, crp=3), "scans.0.crp.*Did you mean 'crop'"),
        (lambda scan: pb.load_scan(), "a scan needs a path or a simulation"),
        (lambda scan: pb.train(scan, NEW, epoch=3), "train.epoch.*Did you mean 'epochs'"),
        (lambda scan: pb.train((), NEW, epochs=1), "there is no scan"),
        (lambda scan: pb.train((scan, scan), NEW, epochs=1), "two scans are named 'star'"),
        (lambda scan: pb.train(scan, NEW, devices=2), "Python trains on one device"),
        (lambda scan: pb.train(scan, NEW, validation=0.5), "validat"),
        (lambda scan: pb.reconstruct(scan, "nowhere"), "there is no model package"),
        (lambda scan: pb.refine(scan, mode=2), "refine.mode.*Did you mean 'modes'"),
        (lambda scan: pb.refine(scan, {"architecture": "cnn", "cnn": {"n": 32}}), "unrolled"),
        (lambda scan: pb.reconstruct(scan, tils=64), "infer.tils.*Did you mean 'tile'"),
        (
            lambda scan: pb.train(scan, {"architecture": "cnn", "cnn": {"n": 64}}, **TRAIN),
            "frames of 32 pixels",
        ),
    ],
)
def test_mistakes_are_told_as_those_of_a_job_spec(scan, call, message):
    with pytest.raises(UserError, match=message):
        call(scan)


def test_scans_are_loaded_one_by_one(save, refusal_of, tmp_path):
    for name in ("a.npz", "b.npz"):
        save(name)
    assert refusal_of(pb.load_scan, tmp_path / "*.npz", runs=tmp_path / "runs") == (
        f"2 files match '{tmp_path}/*.npz'",
        "load_scan",
        "Load them one by one",
    )


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (["pngs"], r"^export: there is no format 'pngs' for this\. Did you mean 'png'\?$"),
        (["bundle"], "Known here"),
        ("png", r"^export: formats are a list\. Write \['png'\]$"),
    ],
)
def test_unknown_formats_are_told(result, tmp_path, formats, message):
    with pytest.raises(UserError, match=message):
        pb.export(result, tmp_path / "out", formats)


def test_what_there_is_can_be_completed_by_a_shell():
    assert {"load_scan", "reconstruct", "UserError"} <= set(dir(pb))
    assert pb.UserError is UserError


def test_what_a_verb_gives_is_shown_in_a_line(scan, model, result):
    for thing, word in ((scan, "frames of"), (model, "weights"), (result, "R=0.")):
        assert word in repr(thing)
        assert len(repr(thing)) < 120


def test_the_verbs_are_there_before_torch_is():
    code = (
        "import sys, ptychopinn_batch as pb\n"
        "from ptychopinn_batch import api\n"
        "pb.load_scan, pb.train, pb.refine, pb.reconstruct, pb.load_model, pb.export\n"
        "import ptychopinn_batch.exports, ptychopinn_batch.package\n"
        "assert callable(pb.export)\n"
        "print({'torch', 'lightning', 'zarr', 'tensordict'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_importing_the_package_alone_loads_no_verb():
    code = (
        "import sys, ptychopinn_batch\n"
        "print([name for name in sys.modules if name.startswith('ptychopinn_batch.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
