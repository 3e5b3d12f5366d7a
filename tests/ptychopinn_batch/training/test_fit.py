"""Training: it learns, keeps the best weights, and an interruption changes nothing."""

import csv

import pytest
import torch

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Train, UnrolledSettings
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.training import data, module
from ptychopinn_batch.training.checkpoints import DurableCheckpoints
from ptychopinn_batch.training.fit import fit
from ptychopinn_batch.training.losses import object_error
from ptychopinn_batch.training.paths import TrainingPaths

TRAIN = Train(epochs=2, regions_per_epoch=4, simulated=1.0, unroll=(2, 2), warm=0, workers=0)
BLENDED = TRAIN.model_copy(update={"start_share": 0.25, "lr": 1e-2})  # they part in a few steps


@pytest.fixture(autouse=True)
def few_validation_regions(monkeypatch):
    monkeypatch.setattr(data, "SIMULATED_REGIONS", 1)
    monkeypatch.setattr(data, "VALIDATION_STEPS", 2)


def network() -> Unrolled:
    torch.manual_seed(0)
    return Unrolled(UnrolledSettings(width=4, hidden=2, depth=2))


def weights(path):
    """Of a file of weights, or a whole checkpoint."""
    return DurableCheckpoints().load_checkpoint(path)


def test_a_training_writes_weights_history_and_a_checkpoint_without_pickled_code(tmp_path):
    fitted = fit(network(), TRAIN, [], seed=1, folder=tmp_path)
    paths = TrainingPaths(tmp_path)
    assert fitted.complete
    assert fitted.kept_score <= fitted.first_score
    rows = list(csv.DictReader(paths.history.read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert weights(paths.weights).keys() == network().state_dict().keys()
    assert DurableCheckpoints().load_checkpoint(paths.last)["epoch"] == 1


@pytest.mark.parametrize("train", [TRAIN, BLENDED])
def test_an_interrupted_training_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, train):
    undisturbed, resumed = network(), network()
    fit(undisturbed, train, [], seed=1, folder=tmp_path / "a")
    beats = []
    first = fit(
        resumed,
        train,
        [],
        seed=1,
        folder=tmp_path / "b",
        beat=lambda **figures: beats.append(figures),
        should_stop=lambda: len(beats) == 6,  # in the middle of the second epoch
    )
    assert not first.complete
    again = network()
    assert fit(again, train, [], seed=1, folder=tmp_path / "b").complete
    last = [weights(TrainingPaths(tmp_path / run).last)["state_dict"] for run in "ab"]
    for name, value in last[0].items():
        assert torch.equal(value, last[1][name]), name
    for one, other in zip(undisturbed.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_finished_training_that_is_asked_again_only_loads_its_weights(tmp_path):
    one, other = network(), network()
    fit(one, TRAIN, [], seed=1, folder=tmp_path)
    before = TrainingPaths(tmp_path).last.read_bytes()
    assert fit(other, TRAIN, [], seed=1, folder=tmp_path).complete
    assert TrainingPaths(tmp_path).last.read_bytes() == before
    assert all(map(torch.equal, one.parameters(), other.parameters()))


def never_finite(monkeypatch):
    monkeypatch.setattr(module, "supervised", lambda result, *_: result.misfits.sum() * torch.nan)


def test_a_step_that_is_not_finite_is_skipped_counted_and_told_of(tmp_path, monkeypatch):
    never_finite(monkeypatch)
    told = []
    start = network()
    fitted = fit(
        network(),
        TRAIN,
        [],
        seed=1,
        folder=tmp_path,
        beat=lambda **figures: told.append(figures.get("skipped_steps")),
    )
    assert fitted.skipped == 4
    assert told == [None, 1, 1, 2, 2, 3, 3, 4]  # within and after each step of two regions
    rows = list(csv.DictReader(TrainingPaths(tmp_path).history.read_text().splitlines()))
    assert [(row["skipped"], row["loss"]) for row in rows] == [("2", "nan"), ("4", "nan")]
    last = weights(TrainingPaths(tmp_path).last)["state_dict"]
    for name, value in start.state_dict().items():  # not even their decay has moved them
        assert torch.equal(last[f"network.{name}"], value), name


def test_one_lesson_that_is_not_finite_does_not_spoil_the_loss_of_its_epoch(tmp_path, monkeypatch):
    losses = iter([1.0, 3.0, float("nan"), 5.0] * 2)
    # A factor, for a mere summand has no gradient: that of NaN would be as finite as any other's.
    supervised = lambda result, *_: (result.misfits.sum() * 0 + 1) * next(losses)  # noqa: E731
    monkeypatch.setattr(module, "supervised", supervised)
    assert fit(network(), TRAIN, [], seed=1, folder=tmp_path).skipped == 2
    rows = list(csv.DictReader(TrainingPaths(tmp_path).history.read_text().splitlines()))
    assert [row["loss"] for row in rows] == ["3", "3"]


def test_many_steps_in_a_row_that_are_not_finite_end_the_training(tmp_path, monkeypatch):
    never_finite(monkeypatch)
    monkeypatch.setattr(module, "MOST_IN_A_ROW", 3)
    with pytest.raises(
        UserError,
        match=r"3 steps in a row had gradients that are not finite, in "
        r"epoch 2\. Write a smaller train\.lr",
    ):
        fit(network(), TRAIN, [], seed=1, folder=tmp_path)
    assert weights(TrainingPaths(tmp_path).last)["in_a_row"] == 2  # of the epoch before


AVERAGED = TRAIN.model_copy(update={"ema": 0.99, "lr": 1e-2})  # they part in a few steps


def score_of(state):
    """What the validation of these weights comes to."""
    judged = network()
    judged.load_state_dict(state)
    region = data.ValidationRegions(TRAIN, [], seed=1)[0].region
    with torch.inference_mode():
        obj = judged.eval()(region, steps=data.VALIDATION_STEPS).object
        return float(object_error(obj, region.truth, region.illumination).log())


def last_weights(folder, prefix):
    state = weights(TrainingPaths(folder).last)["state_dict"]
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def test_the_average_of_the_weights_is_validated(tmp_path):
    fit(network(), AVERAGED, [], seed=1, folder=tmp_path)
    rows = list(csv.DictReader(TrainingPaths(tmp_path).history.read_text().splitlines()))
    told = float(rows[-1]["validation"])
    average, newest = (score_of(last_weights(tmp_path, p)) for p in ("average.module.", "network."))
    assert told == pytest.approx(average, abs=1e-5)
    assert told != pytest.approx(newest, abs=1e-5)


def test_the_average_of_the_weights_is_kept(tmp_path, monkeypatch):
    scores(monkeypatch, [3.0, 2.0, 1.0])
    kept = network()
    fit(kept, AVERAGED, [], seed=1, folder=tmp_path)
    average, newest = (last_weights(tmp_path, p) for p in ("average.module.", "network."))
    file = weights(TrainingPaths(tmp_path).weights)
    assert file.keys() == average.keys() == newest.keys()
    for name, value in kept.state_dict().items():
        assert torch.equal(value, average[name])
        assert torch.equal(value, file[name])
    assert any(not torch.equal(newest[name], file[name]) for name in file)


def scores(monkeypatch, values):
    """What validations say, the first of them before the training."""
    told = iter(values)
    monkeypatch.setattr(
        module.Training, "on_validation_epoch_end", lambda self: setattr(self, "score", next(told))
    )


@pytest.mark.parametrize(("told", "kept"), [([3.0, 1.0, 2.0], 2.0), ([1.0, 2.0, 3.0], 1.0)])
def test_the_newest_weights_are_kept_that_are_no_worse_than_those_before(
    tmp_path, monkeypatch, told, kept
):
    scores(monkeypatch, told)
    start, trained = network(), network()
    fitted = fit(trained, TRAIN, [], seed=1, folder=tmp_path)
    assert (fitted.first_score, fitted.kept_score) == (told[0], kept)
    unchanged = all(map(torch.equal, start.parameters(), trained.parameters()))
    assert unchanged == (kept == told[0])


def test_the_loss_that_is_told_is_that_of_one_region_however_many_are_accumulated(tmp_path):
    told = []
    for accumulate in (1, 2):
        beats = []
        train = TRAIN.model_copy(update={"accumulate": accumulate})
        fit(
            network(),
            train,
            [],
            seed=1,
            folder=tmp_path / str(accumulate),
            beat=lambda into=beats, **figures: into.append(figures["loss"]),
        )
        told.append(beats[0])  # of the first region, before any step of the optimiser
    assert told[0] == pytest.approx(told[1])


def test_weights_that_keep_a_share_of_the_beginning_are_validated_and_kept(tmp_path):
    began = network().state_dict()
    fit(network(), BLENDED, [], seed=1, folder=tmp_path)
    newest = last_weights(tmp_path, "network.")
    rows = list(csv.DictReader(TrainingPaths(tmp_path).history.read_text().splitlines()))
    blended = {name: 0.75 * value + 0.25 * began[name] for name, value in newest.items()}
    assert float(rows[-1]["validation"]) == pytest.approx(score_of(blended), abs=1e-5)
    assert float(rows[-1]["validation"]) != pytest.approx(score_of(newest), abs=1e-5)
    for name, value in last_weights(tmp_path, "blend.network.").items():
        assert torch.allclose(value, blended[name])
