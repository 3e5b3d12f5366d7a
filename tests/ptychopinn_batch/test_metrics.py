"""The record of a result, the counting noise it is measured against, and the verdict."""

import numpy as np
import pytest

from hpc.fsio import read_json
from ptychopinn_batch.metrics import NOISE_STEP, Metrics, Residuals, noise_table, verdict


@pytest.mark.parametrize("root", [0.25, 1.0, 2.75, 17.5])
def test_the_noise_of_an_amplitude_is_that_of_simulated_counts(root):
    counts = np.random.default_rng(0).poisson(root**2, 200_000)
    expected = np.mean((np.sqrt(counts) - root) ** 2)
    assert noise_table()[round(root / NOISE_STEP)] == pytest.approx(expected, rel=0.03)


def test_an_amplitude_of_many_counts_has_variance_one_quarter():
    assert noise_table()[-1] == pytest.approx(0.25, rel=2e-3)


def judged(fitted=0.012, held_out=0.014, noise=0.006, empty=0.06, coverage=1.0):
    residuals = Residuals(fitted=fitted, empty=empty, noise=noise)
    return verdict(residuals=residuals, held_out=held_out, coverage=coverage)


def test_frames_explained_to_near_the_counting_noise_are_good():
    judgement, reasons = judged()
    assert judgement == "good"
    assert reasons == ("R_held_out = 0.01400, 0.00800 above counting noise",)


@pytest.mark.parametrize(
    ("case", "expected", "reason"),
    [
        ({"held_out": 0.04, "fitted": 0.03}, "doubtful", "above counting noise"),
        ({"held_out": 0.3, "fitted": 0.3, "empty": 2.0}, "bad", "above counting noise"),
        ({"held_out": 0.0605, "fitted": 0.06}, "bad", "little of the frames is explained"),
        ({"held_out": float("nan")}, "bad", "not a finite number"),
        ({"held_out": 0.024, "fitted": 0.0062}, "doubtful", "much worse than the others"),
        ({"coverage": 0.8}, "doubtful", "only 80% of the scanned area"),
        ({"coverage": 0.2}, "bad", "only 20% of the scanned area"),
        ({"held_out": None}, "unknown", "no frames were held out"),
        ({"noise": None}, "good", "noise unknown"),
    ],
)
def test_a_verdict_names_its_reason(case, expected, reason):
    judgement, reasons = judged(**case)
    assert judgement == expected
    assert any(reason in text for text in reasons), reasons


def test_a_bad_finding_outweighs_an_unknown_one():
    assert judged(held_out=None, fitted=0.5, empty=2.0)[0] == "bad"


def test_metrics_survive_their_json(tmp_path):
    metrics = Metrics(
        R=0.01,
        R_held_out=None,
        R_empty=0.05,
        R_noise=None,
        phase_corr=None,
        amp_ssim=None,
        phase_ssim=None,
        reference_is_truth=None,
        coverage=1.0,
        frames=4,
        frames_per_s=None,
        seconds={"infer": 1.5},
        peak_rss_mb=100.0,
        verdict="good",
        reasons=("because",),
    )
    path = tmp_path / "metrics.json"
    path.write_text(metrics.model_dump_json())
    assert read_json(path, Metrics) == metrics
