"""What a submit says of models at its end."""

import pytest

from ptychopinn_batch.commands.outcome import learned_by


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"validation_before": 0.0134, "validation": 0.0131}, "0.01340 before training, 0.01310"),
        ({"validation_before": 0.0134, "validation": 0.0134}, "gained nothing: kept as it was"),
        (
            {"validation_before": 0.2, "validation": 0.1, "skipped_steps": 3.0},
            "0.10000 after; 3 steps were not finite)",
        ),
        ({"validation_before": 0.2, "validation": 0.1, "skipped_steps": 0.0}, "0.10000 after)"),
        ({"identity": "abc"}, ""),
        (None, ""),
    ],
)
def test_a_trained_model_says_what_training_gained(result, words):
    said = learned_by(result)
    assert words in said
    assert bool(said) == bool(words)
