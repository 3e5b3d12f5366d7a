"""Trainings that cannot be done as asked are refused by the plan: one message, nothing written."""

from pathlib import Path

import pytest

from ptychopinn_batch.training import trackers

SPEC = """\
version: 1
name: small
scans:
  - simulate: {{frames: 100, frame_size: 32, step: 3.5, probe_radius: 0.14}}
train: {{{train}}}
"""


@pytest.fixture
def spec(here):
    def write(train):
        Path("small.yaml").write_text(SPEC.format(train=train))
        return "small.yaml"

    return write


def test_a_scan_too_small_to_be_validated_on_apart(spec, refuses, prints):
    message = refuses("plan", spec("epochs: 1"))
    for word in ("guard zone", "patches of 32 pixels", "train.split: frames"):
        assert word in message
    prints("plan", spec("epochs: 1, split: frames"))
    prints("plan", spec("epochs: 1, validation: 0"))


def test_a_tracker_whose_package_is_not_there(spec, refuses, prints, monkeypatch):
    monkeypatch.setitem(trackers.PACKAGES, "mlflow", "no_such_package")
    message = refuses("plan", spec("split: frames, track: [tensorboard, mlflow]"))
    assert message == (
        "Error: train.track: 'mlflow' is asked for, but its package is not installed. pip install "
        "'ptychopinn-batch[tracking]', or take it out of the list\n"
    )
    prints("plan", spec("split: frames, track: [tensorboard]"))


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ("simulated: 1, regions_per_epoch: cover", "no frames to cover"),
        ("track: [mlflow, mlflow]", "named twice"),
        ("regions_per_epoch: all", "cover or an integer"),
        ("ema: 1", "below 1"),
        ("start_share: 1", "below 1"),
        ("precision: fp16", '"32" or bf16'),
    ],
)
def test_values_that_make_no_sense(spec, refuses, train, words):
    assert words in refuses("plan", spec(train))


def test_what_changes_no_result_changes_no_key(spec, prints):
    import json

    def key(train):
        told = json.loads(prints("plan", spec(f"split: frames, {train}"), "--json"))
        return next(task["key"] for task in told["tasks"] if task["id"].startswith("train"))

    how = "devices: 2, workers: 3, compile: true, track: [tensorboard], pictures: 1"
    assert key("epochs: 2") == key(f"epochs: 2, {how}")
    for what in ("ema: 0.9", "validation: 0.2", "regions_per_epoch: cover"):
        assert key("epochs: 2") != key(f"epochs: 2, {what}")
