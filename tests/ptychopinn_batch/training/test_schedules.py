"""The learning rate at stated steps, of every kind of schedule."""

import math

import pytest

from ptychopinn_batch.jobspec import Schedule, Stage, Train
from ptychopinn_batch.training.schedules import (
    Clock,
    Plateau,
    learning_rate,
    rates_at,
    stage_at,
    warm_up,
)

EPOCHS, STEPS = 10, 1000  # of the whole training, so 100 steps in an epoch


def rate(step: int, plateau: Plateau | None = None, stages=(), **schedule) -> float:
    """As a fraction of `train.lr`, after the warm-up unless asked otherwise."""
    settings = Schedule(**{"warm_up": 0, **schedule})
    train = Train(epochs=EPOCHS, lr=0.5, schedule=settings, stages=stages)
    clock = Clock(step, step * EPOCHS // STEPS)
    return learning_rate(train, clock, STEPS, plateau or Plateau()) / 0.5


def test_the_cosine_falls_from_one_over_the_half_to_its_last_share():
    rates = [rate(step, last=0.02) for step in (0, 250, 500, 750, 1000)]
    cosines = [0.02 + 0.98 * (1 + math.cos(math.pi * t / 4)) / 2 for t in range(5)]
    assert rates == pytest.approx(cosines)
    assert (rates[0], rates[-1]) == (1.0, 0.02)


def test_the_exponential_falls_by_its_factor_in_every_epoch_down_to_the_last_share():
    steps = (0, 99, 100, 350, 999)
    rates = [rate(step, kind="exponential", decay=0.5, last=0.1) for step in steps]
    assert rates == pytest.approx([1, 1, 0.5, 0.125, 0.1])


def test_the_constant_one_stays():
    assert {rate(step, kind="constant") for step in range(0, STEPS, 50)} == {1.0}


def test_all_of_them_rise_at_first():
    for kind in ("cosine", "constant", "exponential", "plateau"):
        rising = [rate(step, kind=kind, warm_up=4) for step in range(4)]
        assert rising == pytest.approx([0.25, 0.5, 0.75, 1.0], rel=1e-4)


@pytest.mark.parametrize(
    ("wanted", "steps", "rates"), [(50, 20, [0.5, 1, 1]), (2, 1000, [0.5, 1, 1]), (0, 9, [1, 1, 1])]
)
def test_the_rise_takes_a_tenth_of_all_steps_at_most(wanted, steps, rates):
    assert [warm_up(Schedule(warm_up=wanted), step, steps) for step in range(3)] == rates


def test_the_plateau_falls_once_more_epochs_than_borne_brought_no_gain():
    schedule, plateau, factors = Schedule(kind="plateau", factor=0.5, patience=1), Plateau(), []
    for score in (3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 1.0):
        plateau.see(score, schedule)
        factors.append(rate(500, plateau, kind="plateau"))
    assert factors == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_the_plateau_asks_for_a_relative_gain_and_stops_at_the_last_share():
    schedule = Schedule(kind="plateau", patience=0, threshold=0.1, last=0.3)
    plateau = Plateau()
    for error in (1.0, 0.89, 0.85):  # 11 %, then less than 5 % better
        plateau.see(math.log(error), schedule)
    assert plateau.factor == 0.5
    plateau.see(0.0, schedule)
    assert plateau.factor == 0.3


STAGES = (Stage(from_epoch=3, lr=0.1, rates={"encoder": 0.0}), Stage(from_epoch=6))


def test_a_stage_scales_the_rate_as_long_as_it_lasts():
    rates = [rate(step, kind="constant", stages=STAGES) for step in (199, 200, 499, 500)]
    assert rates == pytest.approx([1, 0.1, 0.1, 1])


def test_factors_of_parts_stay_until_a_stage_says_otherwise():
    train = Train(epochs=EPOCHS, rates={"phase": 0.5}, stages=STAGES)
    assert [rates_at(train, epoch) for epoch in (0, 1, 2, 9)] == [
        {"phase": 0.5},
        {"phase": 0.5},
        {"encoder": 0.0},
        {"encoder": 0.0},
    ]
    assert [stage_at(train, epoch) for epoch in (1, 2, 5)] == [None, *STAGES]
