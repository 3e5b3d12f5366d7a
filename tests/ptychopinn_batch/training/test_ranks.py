"""Several ranks: one is asked to stop and all do; nothing depends on which, or on how often."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training import data
from ptychopinn_batch.training.checkpoints import DurableCheckpoints
from ptychopinn_batch.training.fit import fit
from ptychopinn_batch.training.paths import TrainingPaths
from tests.threads import threads_of_torch

PROGRAM = Path(__file__).with_name("several_ranks.py")
TRAIN = {
    **{"epochs": 2, "accumulate": 8, "simulated": 1.0, "unroll": [1, 2], "warm": 1, "workers": 0},
    "regions_per_epoch": 10,  # three for each of four ranks, in two steps of the optimiser
}
COVER = {
    **{"simulated": 0.0, "regions_per_epoch": "cover", "accumulate": 4, "ema": 0.9},
    "frames_per_region": 100,  # two steps: an epoch of less than one is cut for its ranks
}
TOLERANCE = 1e-5  # of weights and of log errors: sums over ranks round otherwise
SHARE = 1e-4  # of how far the weights moved, as a whole: 6e-7 was measured


@pytest.fixture(autouse=True)
def as_the_ranks_have():
    with threads_of_torch(1):
        yield


class Theatre:
    """Acts are played in one go: another program that imports torch would take seconds."""

    def __init__(self, folder, store):
        self.folder = folder
        four = {"network": "unrolled", "stores": [], "per_node": 2, "nodes": 2, "train": TRAIN}
        measured = {"simulated": 0.0, "epochs": 1, "accumulate": 2, "frames_per_region": 40}
        disturbed = str(folder / "disturbed")
        covering = {**four, "stores": [str(store)], "train": {**TRAIN, **COVER}}
        self.acts = {
            "whole": {**four, "folder": str(folder / "whole")},
            # Looks: before, step, last step, region, epoch, step, last step, region.
            "first step": {**four, "folder": disturbed, "stop": [2, 1]},
            "validation": {**four, "folder": disturbed, "stop": [3, 1]},
            "killed": {**four, "folder": disturbed, "kill": [1, 2]},
            "end": {**four, "folder": disturbed},
            "cnn": {
                **{**four, "nodes": 1, "network": "cnn", "stores": [str(store)]},
                **{"train": {**TRAIN, **measured}, "folder": str(folder / "cnn")},
            },
            "two cover": {**covering, "nodes": 1, "folder": str(folder / "two")},
            "four cover": {**covering, "folder": str(folder / "four")},
        }
        self.statuses, self.told = {}, {}

    def play(self):
        order = json.dumps(list(self.acts.values())).encode()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (self.folder / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=environment,
            )
        process.stdin.write(order)
        process.stdin.close()
        for name, act in self.acts.items():
            self.statuses[name] = json.loads(process.stdout.readline())
            files = sorted(Path(act["folder"]).glob("told-*.json"))
            self.told[name] = [json.loads(file.read_text()) for file in files]
            for file in files:
                file.unlink()
        process.stdout.close()
        assert process.wait() == 0


@pytest.fixture(scope="module")
def theatre(tmp_path_factory, small_store):
    played = Theatre(tmp_path_factory.mktemp("ranks"), small_store.folder)
    played.play()
    return played


def test_every_rank_ends_by_itself_and_says_the_same(theatre):
    for name in set(theatre.acts) - {"killed"}:
        ranks = theatre.acts[name]["per_node"] * theatre.acts[name]["nodes"]
        assert theatre.statuses[name] == [0] * ranks, (theatre.folder / "stderr").read_text()
        assert len(theatre.told[name]) == ranks
        if theatre.told[name][0]["complete"]:
            assert all(told == theatre.told[name][0] for told in theatre.told[name]), name


def test_one_rank_that_is_asked_to_stop_stops_all_at_the_same_place(theatre):
    for name in ("first step", "validation"):
        for told in theatre.told[name]:
            assert (told["complete"], told["advanced"], told["epochs"]) == (False, True, 0)
            assert told["looks"] == 2


def test_one_rank_that_dies_takes_the_others_with_it(theatre):
    statuses = theatre.statuses["killed"]
    assert statuses.pop(1) == -signal.SIGKILL
    assert statuses == [1, 1, 1]
    assert not theatre.told["killed"]


def test_a_training_that_was_stopped_and_killed_is_that_which_was_not(theatre, remains):
    assert theatre.told["end"][0]["complete"]
    assert theatre.told["end"][0]["weights"] == theatre.told["whole"][0]["weights"]
    assert remains(theatre.folder / "disturbed") == remains(theatre.folder / "whole")


def test_four_ranks_learn_what_one_does_of_the_same_lessons(
    theatre, monkeypatch, tmp_path, new_network
):
    monkeypatch.setattr(data, "SIMULATED_REGIONS", 3)
    monkeypatch.setattr(data, "VALIDATION_STEPS", 1)
    train = Train.model_validate({**TRAIN, "regions_per_epoch": 12})
    fitted = fit(new_network(), train, [], seed=1, folder=tmp_path)
    assert_alike(fitted, tmp_path, theatre, "whole", new_network())


def test_two_and_four_ranks_learn_what_one_does_of_every_frame_of_a_scan(
    theatre, monkeypatch, tmp_path, new_network, small_store
):
    monkeypatch.setattr(data, "MEASURED_REGIONS", 1)
    monkeypatch.setattr(data, "VALIDATION_STEPS", 1)
    train = Train.model_validate({**TRAIN, **COVER})
    fitted = fit(new_network(), train, [small_store], seed=1, folder=tmp_path)
    assert_alike(fitted, tmp_path, theatre, "two cover", new_network())
    assert_alike(fitted, tmp_path, theatre, "four cover", new_network())


def trained(state):
    """The weights of the network itself, not their average."""
    prefix = "network."
    return {key.removeprefix(prefix): state[key] for key in state if key.startswith(prefix)}


def distance(one, other):
    """Between the weights of two networks, over all of them."""
    return torch.stack([(one[name] - other[name]).norm() for name in one]).norm()


def assert_alike(fitted, folder, theatre, name, start):
    """A training of one process, and what an act of several has left."""
    told = theatre.told[name][0]
    assert fitted.first_score == told["first_score"]  # of the same network: equal in every bit
    assert fitted.kept_score == pytest.approx(told["kept_score"], abs=TOLERANCE)
    paths = [TrainingPaths(Path(at)) for at in (folder, theatre.acts[name]["folder"])]
    one, other = (DurableCheckpoints().load_checkpoint(path.last) for path in paths)
    assert one["global_step"] == other["global_step"]
    for key, value in one["state_dict"].items():
        assert torch.allclose(value, other["state_dict"][key], atol=TOLERANCE), key
    ends = [trained(checkpoint["state_dict"]) for checkpoint in (one, other)]
    assert distance(*ends) < SHARE * distance(ends[0], start.state_dict())
    losses = [
        [float(line.split(",")[2]) for line in path.history.read_text().splitlines()[1:]]
        for path in paths
    ]
    assert losses[0] == pytest.approx(losses[1], abs=TOLERANCE)


def test_the_patchwise_network_trains_on_measured_regions(theatre):
    assert theatre.told["cnn"][0]["complete"]
    assert theatre.told["cnn"][0]["kept_score"] <= theatre.told["cnn"][0]["first_score"]
