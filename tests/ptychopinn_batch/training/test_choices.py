"""What a spec may choose of a training: every choice does what it says, and only that."""

import csv

import pytest
import torch

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.jobspec import CnnSettings, Simulation, Train
from ptychopinn_batch.networks import autoencoder
from ptychopinn_batch.networks.cnn import Cnn
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.training import data, module
from ptychopinn_batch.training.checkpoints import DurableCheckpoints
from ptychopinn_batch.training.fit import fit
from ptychopinn_batch.training.losses import object_error
from ptychopinn_batch.training.measured import cut_region
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.training.truth import known_object

BASE = {
    **{"epochs": 2, "regions_per_epoch": 2, "accumulate": 1, "workers": 0, "pictures": 0},
    **{"window": 32, "frames_per_region": 12, "validation": 0.1, "split": "frames"},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    settings = Simulation(
        **{"frames": 81, "frame_size": 32, "step": 3.5, "photons": 1e5, "object": "natural"},
        **{"probe_radius": 0.12},
    )
    return build_store(simulate_scan(settings), tmp_path_factory.mktemp("stores") / "tiny")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Few channels and one validated region: seconds, not minutes."""

    def narrow(cls, settings):
        border = settings.probe_big
        return cls((16, 32), (8,), 4, 8, border=border, masked=True, swish=False)

    monkeypatch.setattr(autoencoder.Layout, "of", classmethod(narrow))
    monkeypatch.setattr(data, "MEASURED_REGIONS", 1)


def new(**settings) -> Cnn:
    torch.manual_seed(0)
    return Cnn(CnnSettings(n=32, **settings))


@pytest.fixture
def train(store, tmp_path):
    """Trains a new network for two epochs of two steps; gives it and the state of its end."""
    runs = iter(range(100))

    def go(settings=None, stop=None, folder=None, **choices):
        network = new(**settings or {})
        folder = folder or tmp_path / str(next(runs))
        beats = []
        fit(
            network,
            Train(**{**BASE, **choices}),
            [store],
            seed=1,
            folder=folder,
            beat=lambda **figures: beats.append(figures),
            should_stop=lambda: len(beats) == stop,
        )
        last = DurableCheckpoints().load_checkpoint(TrainingPaths(folder).last)["state_dict"]
        return network, {name.removeprefix("network."): value for name, value in last.items()}

    return go


def changed(one, other):
    """Names of parts of which any weight differs."""
    return {name.split(".")[1] for name in one if not torch.equal(one[name], other[name])}


PARTS = {"encoder", "amplitude", "phase"}


@pytest.mark.parametrize(
    ("rates", "moved"),
    [({"encoder": 0}, PARTS - {"encoder"}), ({"autoencoder": 0, "phase": 1}, {"phase"})],
)
def test_frozen_parts_stay_as_they_were_bit_for_bit(train, rates, moved):
    _, end = train(rates=rates)
    assert changed(new().state_dict(), end) == moved


def test_a_stage_freezes_what_was_trained_before_it(train):
    stages = [{"from_epoch": 2, "rates": {"encoder": 0}, "lr": 0.5}]
    flat = {"schedule": {"kind": "constant", "warm_up": 0}}
    _, first = train(epochs=1, **flat)
    _, end = train(stages=stages, **flat)
    assert changed(new().state_dict(), first) == PARTS
    assert changed(first, end) == PARTS - {"encoder"}


def test_a_scaled_part_moves_by_as_much_less(train):
    flat = {"schedule": {"kind": "constant", "warm_up": 0}, "weight_decay": 0.0}
    start = new().state_dict()
    name = "autoencoder.phase.centre.weight"
    moves = [
        (train(epochs=1, regions_per_epoch=1, rates=rates, **flat)[1][name] - start[name]).abs()
        for rates in ({}, {"phase": 0.1})
    ]
    torch.testing.assert_close(moves[1], 0.1 * moves[0], rtol=0.05, atol=1e-6)


@pytest.mark.parametrize(
    "choice",
    [
        {"loss": "poisson"},
        {"loss": "mae"},
        *({"weights": {name: 1.0}} for name in ("object", "phase_tv", "amplitude_tv")),
        *({"weights": {name: 1.0}} for name in ("phase_deviation", "amplitude_deviation")),
        {"weights": {"frames": 0.0, "object": 1.0}},
        {"stages": [{"from_epoch": 2, "loss": "poisson", "ramp": 2}]},
        {"schedule": {"kind": "exponential", "decay": 0.5}},
    ],
    ids=str,
)
def test_every_choice_of_loss_and_schedule_leads_elsewhere(train, choice):
    _, plain = train()
    _, other = train(**choice)
    assert changed(plain, other) == PARTS


def test_choices_that_say_the_default_change_nothing(train):
    said = {"weights": {"frames": 1.0}, "schedule": {"kind": "cosine", "last": 0.02}, "rates": {}}
    _, plain = train()
    _, other = train(**said, stages=[{"from_epoch": 2, "loss": "amplitude"}])
    assert changed(plain, other) == set()


def test_groups_may_be_compared_one_by_one(train):
    settings = {"gridsize": 2, "merge": "group"}
    network, apart = train(settings)
    _, together = train({"gridsize": 2})
    assert changed(apart, together) == PARTS
    assert network.settings.merge == "group"


EVENTFUL = {
    **{"epochs": 3, "schedule": {"kind": "plateau", "patience": 0, "threshold": 0.5}},
    "stages": [{"from_epoch": 2, "ramp": 1, "loss": "poisson", "rates": {"encoder": 0}}],
}


def rates_told(monkeypatch):
    """The rate of every step that the optimiser does."""
    told, original = [], module.set_rates
    monkeypatch.setattr(
        module, "set_rates", lambda o, rate, rates: told.append(rate) or original(o, rate, rates)
    )
    return told


def test_a_schedule_steps_and_goes_on_after_an_interruption_as_if_there_had_been_none(
    train, tmp_path, monkeypatch
):
    told = rates_told(monkeypatch)
    _, undisturbed = train(**EVENTFUL)
    rates = told.copy()
    told.clear()
    assert rates == [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 2.5e-4]  # no epoch gains half
    folder = tmp_path / "disturbed"
    train(**EVENTFUL, folder=folder, stop=3)  # in the middle of the second epoch
    _, resumed = train(**EVENTFUL, folder=folder)
    assert told == rates
    assert changed(undisturbed, resumed) == set()
    history = csv.DictReader(TrainingPaths(folder).history.read_text().splitlines())
    assert [float(row["lr"]) for row in history] == rates[1::2]


def error_of(network: Cnn, store) -> float:
    """Of the whole object."""
    canvas = Canvas.around(store.positions.numpy(), store.info.n)
    region = cut_region(store, torch.arange(store.info.frames).numpy(), canvas)
    with torch.inference_mode():
        obj = network.eval()(region, steps=1).object
        return float(object_error(obj, known_object(store, canvas), region.illumination))


@pytest.mark.parametrize("merge", ["canvas", "group"])
def test_supervised_training_learns_the_object_sooner(train, store, merge):
    settings = {"gridsize": 1, "merge": merge}
    longer = {"epochs": 1, "regions_per_epoch": 40, "lr": 3e-3}
    supervised, _ = train(settings, **longer, weights={"frames": 0, "object": 1})
    unsupervised, _ = train(settings, **longer)
    errors = [error_of(network, store) for network in (new(), unsupervised, supervised)]
    assert errors[2] < 0.8 * errors[1]
    assert errors[2] < 0.75 * errors[0]
