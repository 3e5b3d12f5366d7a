"""Tracking: CSV and pictures always; TensorBoard and MLflow where asked, and never in the way."""

import logging
import math
import os

import pytest

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training import data, journal, trackers, tracking
from ptychopinn_batch.training.callbacks import EpochFigures
from ptychopinn_batch.training.fit import fit
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.training.tracking import Label, Trackers

TRAIN = Train(
    **{"epochs": 3, "regions_per_epoch": 2, "simulated": 1.0, "unroll": (1, 1), "warm": 0},
    **{"workers": 0, "pictures": 2},
)
PNG = b"\x89PNG\r\n\x1a\n"
LABEL = Label("run", "default", {"train.lr": 1e-3})


@pytest.fixture(autouse=True)
def few_validation_regions(monkeypatch):
    monkeypatch.setattr(data, "SIMULATED_REGIONS", 1)
    monkeypatch.setattr(data, "VALIDATION_STEPS", 1)


def figures(epoch, loss=0.5):
    return EpochFigures(epoch, 4 * epoch, loss, 0.25, 1e-3, 2.0, 1)


@pytest.fixture
def picture(tmp_path):
    from matplotlib.image import imsave

    path = tmp_path / "region-000001.png"
    imsave(path, [[0.0, 1.0], [1.0, 0.0]])
    return path


def recorded(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()
    scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]}
    return scalars, tags["images"]


def test_pictures_of_loss_and_region_are_kept_every_so_many_epochs_and_of_the_last(
    tmp_path, new_network
):
    fit(new_network(), TRAIN, [], seed=1, folder=tmp_path)
    paths = TrainingPaths(tmp_path)
    assert sorted(path.name for path in paths.pictures.iterdir()) == [
        "loss.png",
        "region-000002.png",
        "region-000003.png",
    ]
    assert all(path.read_bytes().startswith(PNG) for path in paths.pictures.iterdir())


def test_no_pictures_where_none_are_asked(tmp_path, new_network):
    fit(new_network(), TRAIN.model_copy(update={"pictures": 0}), [], seed=1, folder=tmp_path)
    assert not TrainingPaths(tmp_path).pictures.exists()


def test_a_training_tells_its_trackers_what_its_history_says(tmp_path, new_network, monkeypatch):
    """And which attempt it is: after a stop in the second epoch it records that one again."""
    told = []

    class Listener:
        def __init__(self, paths, label, first_epoch):
            told.append(("begin", label.variant, first_epoch))

        def figures(self, figures):
            told.append((figures.epoch, f"{figures.loss:.6g}"))

        def picture(self, path, epoch):
            told.append((path.name, epoch))

        def close(self, complete):
            told.append(("end", complete))

    monkeypatch.setitem(tracking.TRACKERS, "tensorboard", Listener)
    train, beats = TRAIN.model_copy(update={"track": ("tensorboard",)}), []
    for stop_at in (3, math.inf):
        fit(
            new_network(),
            train,
            [],
            seed=1,
            folder=tmp_path,
            label=LABEL,
            beat=lambda **figures: beats.append(figures),
            should_stop=lambda at=stop_at: len(beats) >= at,
        )
    losses = [
        line.split(",")[2] for line in TrainingPaths(tmp_path).history.read_text().splitlines()[1:]
    ]
    assert told == [
        ("begin", "default", 0),
        (0, losses[0]),
        ("end", False),
        ("begin", "default", 1),
        (1, losses[1]),
        ("loss.png", 1),
        ("region-000002.png", 1),
        (2, losses[2]),
        ("loss.png", 2),
        ("region-000003.png", 2),
        ("end", True),
    ]


def test_tensorboard_shows_figures_and_pictures_and_drops_what_is_repeated(tmp_path, picture):
    paths = TrainingPaths(tmp_path)
    for first, loss in ((0, 0.5), (1, 0.25)):
        told = Trackers(["tensorboard"], paths, LABEL)
        told.start(first)
        for epoch in range(first, 3):
            told.figures(figures(epoch, loss))
        told.picture(picture, 2)
        told.close(complete=first == 1)
    scalars, images = recorded(paths.tensorboard / "default")
    assert scalars["loss"] == [(0, 0.5), (1, 0.25), (2, 0.25)]
    assert set(scalars) == {"step", "loss", "validation", "lr", "seconds", "skipped"}
    assert images == ["region"]


def test_mlflow_has_one_run_whatever_the_number_of_attempts(tmp_path, picture, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths = TrainingPaths(tmp_path)
    for first in (0, 1):
        told = Trackers(["mlflow"], paths, LABEL)
        told.start(first)
        told.figures(figures(first))
        told.picture(picture, first)
        told.close(complete=first == 1)
    from mlflow.tracking import MlflowClient

    client = MlflowClient(paths.mlflow.as_uri())
    experiment = client.get_experiment_by_name("run")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("default", "FINISHED")
    assert run.data.params == {"train.lr": "0.001"}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(value.step, value.value) for value in history] == [(0, 0.5), (1, 0.5)]
    files = client.list_artifacts(run.info.run_id, "pictures")
    assert [file.path for file in files] == ["pictures/region-000001.png"]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_tracker_that_fails_is_told_of_once_and_fails_nothing(tmp_path, monkeypatch, caplog):
    class Broken:
        def __init__(self, *_):
            self.calls = 0

        def figures(self, figures):
            raise ConnectionError("no server")

    monkeypatch.setitem(tracking.TRACKERS, "mlflow", Broken)
    told = Trackers(["mlflow"], TrainingPaths(tmp_path), LABEL)
    told.start(0)
    with caplog.at_level(logging.WARNING):
        told.figures(figures(0))
        told.figures(figures(1))
        told.close(complete=True)
    assert caplog.text.count("mlflow records no more of this training") == 1
    assert "no server" in caplog.text


def test_a_picture_that_cannot_be_drawn_fails_no_training(
    tmp_path, new_network, monkeypatch, caplog
):
    monkeypatch.setattr(journal, "draw_loss", lambda *_: 1 / 0)
    train = TRAIN.model_copy(update={"epochs": 1})
    assert fit(new_network(), train, [], seed=1, folder=tmp_path).complete
    assert "no pictures of epoch 1" in caplog.text


def test_a_package_that_is_missing_is_said_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.setitem(trackers.PACKAGES, "mlflow", "no_such_package")
    with pytest.raises(UserError) as told:
        Trackers(["tensorboard", "mlflow"], TrainingPaths(tmp_path), LABEL)
    assert "train.track: 'mlflow' is asked for" in str(told.value)
    assert "pip install 'ptychopinn-batch[tracking]'" in str(told.value)
    assert trackers.missing_package([]) is None
