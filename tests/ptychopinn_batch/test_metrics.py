"""The record of a result, and the counting noise it is measured against."""

import json

import numpy as np
import pytest

from hpc.fsio import read_json
from ptychopinn_batch.metrics import NOISE_STEP, Metrics, noise_table


@pytest.mark.parametrize("root", [0.25, 1.0, 2.75, 17.5])
def test_the_noise_of_an_amplitude_is_that_of_simulated_counts(root):
    counts = np.random.default_rng(0).poisson(root**2, 200_000)
    expected = np.mean((np.sqrt(counts) - root) ** 2)
    assert noise_table()[round(root / NOISE_STEP)] == pytest.approx(expected, rel=0.03)


def test_an_amplitude_of_many_counts_has_variance_one_quarter():
    assert noise_table()[-1] == pytest.approx(0.25, rel=2e-3)


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
        position_shift_px=0.5,
        mode_power=(0.75, 0.25),
    )
    path = tmp_path / "metrics.json"
    path.write_text(metrics.model_dump_json())
    assert read_json(path, Metrics) == metrics


def test_metrics_recorded_before_anything_could_be_refined_are_read(tmp_path):
    path = tmp_path / "metrics.json"
    keys = dict.fromkeys(("R", "R_held_out", "R_empty", "R_noise", "phase_corr"))
    keys |= dict.fromkeys(("amp_ssim", "phase_ssim", "reference_is_truth", "frames_per_s"))
    told = {"coverage": 1.0, "frames": 4, "seconds": {}, "peak_rss_mb": 1.0, "verdict": "good"}
    path.write_text(json.dumps({"schema_version": 1, **keys, **told, "reasons": []}))
    found = read_json(path, Metrics)
    assert (found.position_shift_px, found.mode_power) == (None, None)
