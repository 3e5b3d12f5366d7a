"""What a plan says that its tasks cost a cluster."""

import json
import re
from pathlib import Path

import pytest

SPEC = """\
version: 1
name: two
scans: [{name: a, simulate: {frames: 20, frame_size: 32}}]
model: {pretrained: none}
train: {devices: 4, nodes: 2, split: frames}
resources:
  prepare: {time: 02:00:00, cpus: 3}
  train: {time: 04:00:00, cpus: 8, gpus: 4}
"""


@pytest.fixture(autouse=True)
def spec(here):
    Path("two.yaml").write_text(SPEC)


def planned(prints, *options):
    return json.loads(prints("plan", "two.yaml", "--json", *options))


def test_at_most_a_task_costs_all_of_its_time_on_all_that_it_asks_for(prints):
    costs = {task["id"]: task["at_most"] for task in planned(prints)["tasks"]}
    assert costs["prepare-a"] == {"node": 2, "cpu": 6, "gpu": 0}
    assert costs["train-default"] == {"node": 8, "cpu": 8 * 4 * 8, "gpu": 8 * 4}


def test_the_costs_of_a_run_are_those_of_its_tasks(prints):
    plan = planned(prints)
    for which in ("at_most", "expected_hours"):
        for kind in ("node", "cpu", "gpu"):
            total = sum(task[which][kind] for task in plan["tasks"])
            assert plan[which][kind] == pytest.approx(total)


def test_gpus_shorten_what_is_expected_and_are_counted(prints):
    def train(*options):
        (task,) = (t for t in planned(prints, *options)["tasks"] if t["stage"] == "train")
        return task["expected_hours"]

    long = ("--set", "train.epochs=1000")
    assert train(*long)["gpu"] == pytest.approx(4 * train(*long)["node"])
    assert train(*long, "--set", "resources.train.gpus=0")["node"] > train(*long)["node"]
    assert train(*long, "--set", "resources.train.gpus=0")["gpu"] == 0


def test_the_text_holds_both(prints):
    text = prints("plan", "two.yaml")
    assert re.search(r"^cost +node-hours +CPU-hours +GPU-hours$", text, re.M)
    assert re.search(r"^roughly +0\.\d+ +[0-9.]+ +0\.\d+$", text, re.M)
    assert re.search(r"^at most, all time limits used +13 +268 +32$", text, re.M)


def test_more_than_a_partition_allows_is_refused_with_the_file_and_the_key(refuses):
    Path("profiles").mkdir()
    Path("profiles/hall.yaml").write_text(
        "version: 1\npartitions: {main: {time: 03:00:00, gpus: 2, default: true}}\n"
    )
    said = refuses("plan", "two.yaml", "--profile", "hall")
    assert "partitions.main: task train-default asks for 04:00:00" in said
    assert "Write resources.train.gpus up to 2, or choose another partition" in said
