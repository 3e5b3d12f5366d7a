"""The keys of a training agree with each other."""

import pytest

from ptychopinn_batch.jobspec import Train


def test_unrolled_steps_are_ordered(refused):
    assert refused(train={"unroll": [6, 3]}) == (
        "unroll",
        "the fewest steps (6) exceed the most (3)",
        "Write [3, 6]",
    )
    assert Train(unroll=(3, 3)).unroll == (3, 3)


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (
            [2, 5, 5],
            (
                "stages.2.from_epoch",
                "epoch 5 does not follow epoch 5",
                "Write stages in their order, each with a later epoch",
            ),
        ),
        (
            [11],
            (
                "stages.0.from_epoch",
                "a stage from epoch 11 on, but there are 10",
                "Write an earlier epoch, or a larger train.epochs",
            ),
        ),
    ],
)
def test_stages_follow_each_other_within_the_training(refused, epochs, expected):
    stages = [{"from_epoch": epoch} for epoch in epochs]
    assert refused(train={"epochs": 10, "stages": stages}) == expected
    assert len(Train(epochs=11, stages=tuple({"from_epoch": e} for e in (2, 11))).stages) == 2


def test_a_tracker_is_named_once(refused):
    assert refused(train={"track": ["mlflow", "mlflow"]}) == (
        "track",
        "a tracker is named twice",
        "Name each once",
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"regions_per_epoch": "cover"},
            (
                "regions_per_epoch",
                "there are no frames to cover where every region is simulated",
                "Write a number",
            ),
        ),
        (
            {"weights": {"phase_tv": 1}},
            (
                "weights",
                "they are of no use where every region is simulated",
                "Remove the key, or write a smaller train.simulated",
            ),
        ),
    ],
)
def test_where_all_is_simulated_no_frames_are_asked_for(refused, keys, expected):
    assert refused(train={"simulated": 1, **keys}) == expected
