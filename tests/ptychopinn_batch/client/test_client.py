"""Ptychodus as a client, in the real Ptychodus: with PTYCHODUS_PYTHON; CI sets it."""

import csv
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import ptychopinn_batch
from ptychopinn_batch.package.folder import read_manifest

from .conftest import OURS, SMALL, STEPS, counts_of, settings, settings_file

pytestmark = pytest.mark.timeout(1200)  # runs one after another, each with processes of its own
EPOCHS = 2
SHIPPED = Path(ptychopinn_batch.__file__).parent / "pretrained" / "default"


def arrays(product):
    with h5py.File(product) as file:
        return file["object"][()].squeeze(), file["probe"][()].squeeze()


def numbers(product):
    with h5py.File(product) as file:
        return dict(file["object"].attrs), {k: file[k][()] for k in file if k.startswith("probe_p")}


def assert_same_product(found, expected):
    for ours, theirs in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())
    (place, positions), (their_place, their_positions) = numbers(found), numbers(expected)
    assert place == pytest.approx(their_place, rel=1e-9)
    for name, values in their_positions.items():
        np.testing.assert_allclose(positions[name], values, rtol=0, atol=1e-15)


@pytest.fixture(scope="module")
def first(ptychodus, scan, tmp_path_factory):
    """Reconstructed from a script of one's own: the product's file and what was seen of it."""
    folder = tmp_path_factory.mktemp("first")
    out = folder / "product.h5"
    values = settings(folder, OURS)
    return out, ptychodus.do("reconstruct", scan=scan, settings=values, out=out)


@pytest.fixture(scope="module")
def trained(ptychodus, scan, tmp_path_factory):
    """Trained from a script of one's own: the network's folder and what was told of it."""
    folder = tmp_path_factory.mktemp("trained")
    values = settings(folder / "runs", epochs=EPOCHS, overrides=SMALL)
    data, out = folder / "data", folder / "out"
    return out, ptychodus.do("train", scan=scan, settings=values, data=data, out=out)


@pytest.fixture
def registered(ptychodus):
    done = ptychodus.run("-m", "ptychopinn_batch.client", "register")
    assert done.returncode == 0, done.stderr
    yield
    done = ptychodus.run("-m", "ptychopinn_batch.client", "unregister")
    assert done.returncode == 0, done.stderr


class TestInAScriptOfOnesOwn:
    def test_the_product_is_that_of_our_own_pipeline(self, first, expected):
        assert_same_product(first[0], expected / "product.h5")

    def test_it_is_offered_before_any_network_is_opened(self, ptychodus, scan, tmp_path):
        assert ptychodus.do("offered", scan=scan, settings=settings(tmp_path))["ready"]

    def test_positions_come_back_to_the_last_digit(self, first):
        assert first[1]["positions"] == first[1]["given positions"]
        assert [index for index, _, _ in first[1]["positions"]] == list(range(7, 135, 2))

    def test_the_probe_holds_the_photons_of_a_frame(self, first, scan):
        with h5py.File(scan / "diffraction.h5") as file:
            counts = file["patterns"][()][:, ~file["bad_pixels"][()]].sum(-1, dtype=float)
        power = (np.abs(arrays(first[0])[1]) ** 2).sum()
        assert first[1]["photons"] == pytest.approx(power, rel=1e-6)
        assert power == pytest.approx(counts.mean(), rel=0.02)  # bad pixels count in it

    def test_the_loss_is_the_misfit_that_ptychodus_itself_finds(self, first, expected):
        [[epoch, loss]] = first[1]["losses"]
        assert epoch == STEPS
        assert loss == pytest.approx(json.loads((expected / "metrics.json").read_text())["R"])
        misfit = first[1]["misfit"]  # less than R by what one common factor can gain
        assert misfit < loss < 1.1 * misfit

    def test_metadata_stay_and_comments_say_what_was_done(self, first):
        found = first[1]
        assert (found["energy"], found["distance"], found["exposure"]) == (8800.0, 1.9, 0.0)
        assert found["comments"].startswith("Converted by ptychopinn-batch from scan.npz.")
        assert "R = " in found["comments"]

    def test_a_temporary_folder_does_as_well_and_leaves_nothing(
        self, ptychodus, scan, expected, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        out = tmp_path / "product.h5"
        ptychodus.do("reconstruct", scan=scan, settings=settings(""), out=out)
        assert_same_product(out, expected / "product.h5")
        assert not list(tmp_path.glob("ptychopinn-batch-*"))

    def test_closing_ptychodus_cancels_what_it_had_begun(self, ptychodus, scan, tmp_path):
        ptychodus.do("leave", scan=scan, settings=settings(tmp_path, OURS, steps=1000))
        assert set(counts_of(tmp_path)) <= {"done", "cancelled"}
        assert "cancelled" in counts_of(tmp_path)


class TestTraining:
    def test_every_epoch_is_told_with_its_losses(self, trained):
        (history,) = trained[0].parent.glob("runs/train-*/training/*/metrics.csv")
        rows = list(csv.DictReader(history.read_text().splitlines()))
        last = trained[1]["told"][-1]
        assert last["epochs"] == EPOCHS == len(rows)
        for told, column in (("training", "loss"), ("validation", "validation")):
            assert last[told] == [[n, float(row[column])] for n, row in enumerate(rows)]

    def test_the_network_is_a_package_that_learned(self, trained, tmp_path):
        for name in ("model.pth", "manifest.json"):
            shutil.copy(trained[0] / name, tmp_path)
        manifest = read_manifest(tmp_path)
        assert manifest.training.train["epochs"] == EPOCHS
        assert manifest.training.start is not None

    def test_it_is_saved_under_any_name_with_its_manifest(self, trained):
        for mine, whole in (("mine.pth", "model.pth"), ("mine.manifest.json", "manifest.json")):
            assert (trained[0] / mine).read_bytes() == (trained[0] / whole).read_bytes()

    def test_who_listens_no_longer_stops_it(self, ptychodus, scan, tmp_path):
        runs = tmp_path / "runs"
        values = settings(runs, OURS, epochs=1000, overrides=SMALL)
        places = {"data": tmp_path / "data", "out": tmp_path / "out"}
        told = ptychodus.do("stop", scan=scan, settings=values, **places)
        assert told["epochs"] < 1000
        assert "none was opened or trained" in told["kept"]
        assert set(counts_of(runs)) == {"done", "cancelled"}
        assert not (tmp_path / "out" / "model.pth").exists()


class TestInTheApplication:
    """`ptychodus -b` as it is, after `python -m ptychopinn_batch.client register`."""

    def test_it_trains_and_reconstructs_with_what_it_trained(
        self, ptychodus, scan, expected, pipeline, registered, tmp_path
    ):
        work, out = tmp_path / "in", tmp_path / "out"
        shutil.copytree(scan, work)
        values = settings(tmp_path / "runs", epochs=EPOCHS, overrides=f"{SMALL} train.lr=0.001")
        settings_file(work / "settings.ini", "ptychopinn-batch_network", values)
        done = ptychodus.batch("train", work, out)
        assert done.returncode == 0, done.stdout
        for name in ("model.pth", "manifest.json"):
            shutil.copy(out / name, work)
        settings_file(
            work / "settings.ini", "ptychopinn-batch_network", settings(tmp_path / "runs")
        )
        done = ptychodus.batch("reconstruct", work, tmp_path / "found")
        assert done.returncode == 0, done.stdout
        network = tmp_path / "network"
        network.mkdir()
        for name in ("model.pth", "manifest.json"):
            shutil.copy(out / name, network)
        found = tmp_path / "found" / f"product.{STEPS:06d}.h5"
        assert_same_product(found, pipeline(network) / "product.h5")
        change = np.abs(arrays(found)[0] - arrays(expected / "product.h5")[0]).max()
        assert change > 1e-3  # not the shipped network's

    def test_it_is_gone_again_when_it_is_removed(self, ptychodus, scan, tmp_path):
        work = tmp_path / "in"
        shutil.copytree(scan, work)
        settings_file(work / "settings.ini", "ptychopinn-batch_network", {})
        ptychodus.batch("reconstruct", work, tmp_path / "out")
        assert not list((tmp_path / "out").iterdir())


class TestUnderAnotherName:
    """Stock Ptychodus, which finds a package of the name of PtychoPINN's on its path."""

    def test_ptychodus_own_library_reconstructs(
        self, ptychodus, scan, expected, tmp_path, monkeypatch
    ):
        work, out = tmp_path / "in", tmp_path / "out"
        shutil.copytree(scan, work)
        values = settings(tmp_path / "runs")
        settings_file(work / "settings.ini", "ptychopinn-torch_unsupervised", values)
        shutil.copy(SHIPPED / "model.pth", work / "model.ckpt")
        shutil.copy(SHIPPED / "manifest.json", work / "model.manifest.json")
        monkeypatch.setenv("PTYCHOPINN_BATCH_SETTINGS", str(work / "settings.ini"))
        path = ptychodus.run("-m", "ptychopinn_batch.client", "shim").stdout.strip()
        done = ptychodus.batch("reconstruct", work, out, path=path)
        assert done.returncode == 0, done.stdout
        (found,) = out.glob("product.*.h5")
        obj, probe = arrays(found)
        theirs, power = arrays(expected / "product.h5")
        factor = np.sqrt((np.abs(power) ** 2).sum() / (np.abs(probe) ** 2).sum())
        assert obj.shape == arrays(scan / "product.h5")[0].shape
        row, column = first_pixel(expected / "product.h5", of=found)
        part = obj[row:, column:][: theirs.shape[0], : theirs.shape[1]]
        np.testing.assert_allclose(part / factor, theirs, rtol=0, atol=2e-5)
        assert np.isclose(obj / factor, 1).sum() >= obj.size - theirs.size


def first_pixel(product, of):
    """Where an object's first pixel lies in that of another product, (row, column)."""
    with h5py.File(product) as a, h5py.File(of) as b:
        for axis, side, size in (("y", "height", -2), ("x", "width", -1)):
            mine, theirs = ((f["object"].shape[size] - 1) / 2 for f in (a, b))
            pixel = a["object"].attrs[f"pixel_{side}_m"]
            centres = (f["object"].attrs[f"center_{axis}_m"] for f in (a, b))
            yield round((next(centres) - next(centres)) / pixel - mine + theirs)


def test_wishes_that_cannot_be_met_are_refused_with_the_mend(ptychodus, scan, tmp_path):
    told = ptychodus.do(
        "refusals", scan=scan, settings=settings(tmp_path / "runs"), folder=tmp_path
    )
    assert "lonely.manifest.json" in told["no manifest"]
    assert "far-field" in told["near field"]
    assert "31 x 32 pixels: crop them in Ptychodus" in told["odd frames"]
    assert "Export Training Data" in told["no training data"]
    assert "none was opened or trained" in told["nothing to save"]
    assert "there is no such key" in told["wrong key"]
    assert "infer.no" in told["wrong key"]
    assert "runs_folder" in told["temporary folder on a cluster"]


def test_another_version_of_ptychodus_is_refused(ptychodus):
    told = ptychodus.do("other_version")["told"]
    assert "Ptychodus 1.9.0" in told
    assert "pip install ptychodus==1.7.0" in told
