"""Weights of the loss over the epochs of a training."""

import pytest

from ptychopinn_batch.jobspec import Stage, Train, Weights
from ptychopinn_batch.training.aims import aim_at


def aims(*stages: Stage, epochs: int = 8, **train):
    settings = Train(epochs=epochs, stages=stages, **train)
    return [aim_at(settings, epoch) for epoch in range(epochs)]


def test_without_stages_the_aim_is_what_the_spec_says():
    weights = Weights(object=0.5, phase_tv=0.1)
    for aim in aims(loss="poisson", weights=weights):
        assert aim.weights == weights
        assert aim.kinds == (("poisson", 1.0),)


def test_a_stage_without_a_ramp_begins_at_once():
    before, after = Weights(), Weights(frames=0.2, object=1)
    found = [aim.weights for aim in aims(Stage(from_epoch=4, weights=after))]
    assert found == [before] * 3 + [after] * 5


@pytest.mark.parametrize(
    ("curve", "shares"),
    [
        ("linear", [0.25, 0.5, 0.75, 1, 1]),
        ("quadratic", [1 / 16, 1 / 4, 9 / 16, 1, 1]),
        ("cosine", [0.1464466, 0.5, 0.8535534, 1, 1]),
    ],
)
def test_weights_change_over_along_a_curve(curve, shares):
    stage = Stage(from_epoch=3, ramp=3, curve=curve, weights=Weights(frames=0, object=2))
    found = [aim.weights for aim in aims(stage)][2:7]
    assert [w.object for w in found] == pytest.approx([2 * share for share in shares])
    assert [w.frames for w in found] == pytest.approx([1 - share for share in shares])


def test_kinds_of_misfit_change_over_too():
    stage = Stage(from_epoch=2, ramp=1, loss="poisson")
    found = [dict(aim.kinds) for aim in aims(stage, epochs=3)]
    assert found == [{"amplitude": 1}, {"amplitude": 0.5, "poisson": 0.5}, {"poisson": 1}]


def test_a_stage_begins_where_the_one_before_had_come_to():
    first = Stage(from_epoch=2, ramp=3, weights=Weights(frames=5))
    found = aims(first, Stage(from_epoch=3, weights=Weights(frames=10)), epochs=3)
    assert [aim.weights.frames for aim in found] == [1, 2, 10]


def test_what_a_stage_leaves_out_stays():
    stages = Stage(from_epoch=2, loss="mae"), Stage(from_epoch=3, weights=Weights(phase_tv=1))
    found = aims(*stages, epochs=3)
    assert found[2].kinds == (("mae", 1.0),)
    assert found[1].weights == Weights()
