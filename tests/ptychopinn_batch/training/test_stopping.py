"""Stopping: wherever a training is stopped or killed, it ends as if nothing had been."""

import os
import signal

import pytest
import torch

from hpc.errors import StateError
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.training import data
from ptychopinn_batch.training.checkpoints import DurableCheckpoints
from ptychopinn_batch.training.fit import fit
from ptychopinn_batch.training.module import Training
from ptychopinn_batch.training.paths import TrainingPaths

# Lessons 0 1 | 2 3 | 4: three steps of the optimiser, the last one of a single lesson.
# The average of the weights is part of what must be the same.
TRAIN = Train(
    **{"epochs": 2, "regions_per_epoch": 5, "accumulate": 2, "simulated": 1.0},
    **{"unroll": (1, 2), "warm": 0, "ema": 0.9, "workers": 0, "pictures": 0},
)
# A training looks whether it should stop at each of these, in this order.
BEFORE, EPOCH = ["region"] * 2, ["step", "step", "last step", "region", "last region", "epoch"]
LOOKS = [*BEFORE, *EPOCH, *EPOCH[:-1]]


@pytest.fixture(autouse=True)
def few_validation_regions(monkeypatch):
    monkeypatch.setattr(data, "SIMULATED_REGIONS", 2)
    monkeypatch.setattr(data, "VALIDATION_STEPS", 1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Folder of a training that nobody stopped; made by the first test that asks."""
    return tmp_path_factory.mktemp("undisturbed")


class Wish:
    """To stop at the n-th look, counted from 0."""

    def __init__(self, at=None):
        self.looks, self.at = 0, at

    def __call__(self):
        self.looks += 1
        return self.looks - 1 == self.at


@pytest.fixture
def trained(new_network, undisturbed, remains):
    """What is left of an undisturbed training."""
    folder = undisturbed / "whole"
    if not TrainingPaths(folder).last.exists():
        wish = Wish()
        assert fit(new_network(), TRAIN, [], seed=1, folder=folder, should_stop=wish).complete
        assert wish.looks == len(LOOKS)
    return remains(folder)


@pytest.fixture
def attempt(new_network, tmp_path):
    def run(train=TRAIN, **wishes):
        network = new_network()
        return fit(network, train, [], seed=1, folder=tmp_path, **wishes), network

    return run


@pytest.mark.parametrize("look", range(len(LOOKS)), ids=lambda n: f"{n}-{LOOKS[n]}")
def test_a_training_may_be_stopped_at_every_look(attempt, trained, remains, tmp_path, look):
    stopped, _ = attempt(should_stop=Wish(at=look))
    assert not stopped.complete
    assert stopped.advanced == (look >= len(BEFORE))
    ended, network = attempt()
    assert (ended.complete, ended.epochs) == (True, 2)
    assert remains(tmp_path) == trained
    weights = torch.load(TrainingPaths(tmp_path).weights, weights_only=True)
    assert all(torch.equal(weights[name], value) for name, value in network.state_dict().items())


def test_a_training_may_be_stopped_again_and_again(attempt, trained, remains, tmp_path):
    attempts = []
    while not attempts or not attempts[-1].complete:
        attempts.append(attempt(should_stop=Wish(at=2))[0])
        assert attempts[-1].advanced
    assert len(attempts) == 5
    assert remains(tmp_path) == trained


def test_stopped_twice_in_one_validation_it_has_not_advanced(attempt):
    first, _ = attempt(should_stop=Wish(at=LOOKS.index("last step") + 1))
    again, _ = attempt(should_stop=Wish(at=0))
    assert (first.advanced, again.advanced) == (True, False)


class Killed(BaseException):
    """What leaves no time for a checkpoint."""


@pytest.mark.parametrize("lesson", [3, 6, 10])
def test_a_killed_training_goes_on_from_its_last_checkpoint(
    attempt, trained, remains, tmp_path, lesson
):
    def beat(**figures):
        if figures["step"] == lesson:
            raise Killed

    attempt(should_stop=Wish(at=LOOKS.index("step")))
    with pytest.raises(Killed):
        attempt(beat=beat)
    assert attempt()[0].complete
    assert remains(tmp_path) == trained


def test_lessons_loaded_ahead_are_those_of_the_place_where_it_goes_on(
    attempt, trained, remains, tmp_path
):
    loaded_ahead = TRAIN.model_copy(update={"workers": 1})
    for look in (len(BEFORE) + len(EPOCH), 4):
        attempt(loaded_ahead, should_stop=Wish(at=look))
    assert attempt(loaded_ahead)[0].complete
    assert remains(tmp_path) == trained


def test_progress_is_told_from_where_it_goes_on(attempt):
    told = []
    attempt(should_stop=Wish(at=LOOKS.index("step") + 1))
    attempt(beat=lambda **figures: told.append(figures))
    assert [(figures["step"], figures["epoch"]) for figures in told] == [
        (5, "1/2"),
        *((step, "2/2") for step in range(6, 11)),
    ]
    assert {figures["total"] for figures in told} == {10}


def test_steps_that_were_skipped_before_a_stop_are_counted(attempt, monkeypatch):
    from ptychopinn_batch.training import module

    monkeypatch.setattr(module, "supervised", lambda result, *_: result.misfits.sum() * torch.nan)
    attempt(should_stop=Wish(at=LOOKS.index("last step")))
    assert attempt()[0].skipped == 6


@pytest.mark.parametrize("look", [len(BEFORE), len(BEFORE) + len(EPOCH) - 1])
def test_what_was_before_the_training_is_not_what_was_before_it_went_on(attempt, monkeypatch, look):
    scores = iter([1.0, 3.0, 2.0])
    monkeypatch.setattr(
        Training, "on_validation_epoch_end", lambda self: setattr(self, "score", next(scores))
    )
    attempt(should_stop=Wish(at=look))
    ended, _ = attempt()
    assert (ended.first_score, ended.kept_score) == (1.0, 1.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGUSR1])
def test_signals_are_left_to_whoever_listens(attempt, trained, remains, tmp_path, number):
    asked = []
    handler = lambda *_: asked.append(True)  # noqa: E731
    before = signal.signal(number, handler)
    try:
        stopped, _ = attempt(
            beat=lambda **figures: os.kill(os.getpid(), number) if figures["step"] == 3 else None,
            should_stop=lambda: bool(asked),
        )
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)
    assert (stopped.complete, stopped.advanced, len(asked)) == (False, True, 1)
    assert DurableCheckpoints().load_checkpoint(TrainingPaths(tmp_path).last)["global_step"] == 2
    assert attempt()[0].complete
    assert remains(tmp_path) == trained


def test_checkpoints_of_whole_epochs_from_earlier_versions_are_gone_on_from(
    attempt, trained, remains, tmp_path
):
    attempt(should_stop=Wish(at=LOOKS.index("epoch")))
    last = TrainingPaths(tmp_path).last
    old = DurableCheckpoints().load_checkpoint(last)
    del old["place"], old["skipped"]
    torch.save(old, last)
    assert attempt()[0].complete
    assert remains(tmp_path) == trained


def test_a_version_of_lightning_that_goes_on_elsewhere_is_noticed(attempt, monkeypatch):
    from ptychopinn_batch.training import checkpoints

    attempt(should_stop=Wish(at=LOOKS.index("step")))
    monkeypatch.setattr(checkpoints, "go_on_after", lambda loops, done, of: None)
    monkeypatch.setattr(checkpoints.Spread, "lessons_done", lambda self, place: 4)
    with pytest.raises(RuntimeError, match="goes on from"):
        attempt()


def test_other_steps_than_before_begin_at_the_last_whole_one(attempt):
    attempt(should_stop=Wish(at=LOOKS.index("step")))
    told = []
    ended, _ = attempt(
        TRAIN.model_copy(update={"accumulate": 4}), beat=lambda **figures: told.append(figures)
    )
    assert (ended.complete, ended.epochs) == (True, 2)
    assert [figures["step"] for figures in told] == list(range(1, 11))


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_checkpoint_that_was_damaged_is_named_with_what_to_do(attempt, tmp_path, damage):
    attempt(should_stop=Wish(at=LOOKS.index("step")))
    last = TrainingPaths(tmp_path).last
    content = last.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    last.write_bytes({"flipped": flipped, "cut": content[:middle], "empty": b""}[damage])
    with pytest.raises(StateError, match="this checkpoint is damaged") as caught:
        attempt()
    assert caught.value.where == str(last)
    assert caught.value.mend.startswith("Remove its folder and submit again")


def test_weights_that_are_gone_are_named_with_what_to_do(attempt, tmp_path):
    assert attempt()[0].complete
    TrainingPaths(tmp_path).weights.unlink()
    with pytest.raises(StateError, match="the weights of this training are gone"):
        attempt()


def test_rows_of_a_history_that_was_damaged_are_left_out(attempt, trained, tmp_path):
    attempt(should_stop=Wish(at=LOOKS.index("epoch")))
    with TrainingPaths(tmp_path).history.open("ab") as file:
        file.write(b"\xff\xfe,1,2\n")
    assert attempt()[0].complete
    assert b"\xff" not in TrainingPaths(tmp_path).history.read_bytes()
