"""What a submit says of results and models at its end."""

import pytest

from ptychopinn_batch.commands.outcome import learned_by, results
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.verdict.findings import Finding


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


SOUND = {
    **dict.fromkeys(("R", "R_held_out", "R_empty", "R_noise", "phase_corr", "amp_ssim")),
    **dict.fromkeys(("phase_ssim", "reference_is_truth", "frames_per_s")),
    "coverage": 1.0,
    "frames": 9,
    "seconds": {},
    "peak_rss_mb": 1.0,
}


@pytest.mark.parametrize("judgement", ["good", "doubtful", "bad"])
def test_a_result_that_is_not_good_is_told_with_its_mend(on_disk, asking, judgement):
    found = Finding(fault="axes", judgement=judgement, reason="axes are wrong", mend="Swap them")
    metrics = Metrics(**SOUND, verdict=judgement, reasons=("axes are wrong",), findings=(found,))
    task = asking("finalize-s")
    task = task.model_copy(update={"extras": {"variant": "v", "scan": "s"}})
    run = on_disk("r", task)
    run.finish(task.id, result=metrics.as_json())
    text = "\n".join(results(run.paths, [task]))
    assert judgement in text
    words = f"finalize-s is {judgement}:\n  - axes are wrong. Swap them."
    assert (words in text) == (judgement != "good")
