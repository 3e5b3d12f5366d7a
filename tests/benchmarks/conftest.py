"""The scripts in `benchmarks/` are no installed package: their folder is put on the path."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

FIDELITY = {
    "amp_mae": 0.01,
    "phase_mae": 0.02,
    "amp_psnr": 30.0,
    "phase_psnr": 31.0,
    "amp_ssim": 0.95,
    "phase_ssim": 0.9,
    "amp_ms_ssim": 0.97,
    "phase_ms_ssim": 0.96,
    "phase_corr": 0.99,
    "frc50": 0.8,
    "shift": 0.0,
    "flat": False,
}


@pytest.fixture
def row():
    """Makes rows: a name of a method, and figures that differ from the usual ones."""
    from quality_bench.fidelity import Fidelity
    from quality_bench.measures import Figures
    from quality_bench.records import Row

    def make(method, *, budget=None, scene="photo", right=True, seed=0, seconds=1.0, **figures):
        alike = {key: figures.pop(key, value) for key, value in FIDELITY.items()}
        usual = {"R": 0.001, "R_held": 0.0011, "R_empty": 0.1, "R_true": 0.0009}
        usual |= {"R_held_true": 0.0009, "diverged": False}
        return Row(
            key=f"{scene} {seed} {method} {budget}",
            scene=scene,
            about="photographs",
            right=right,
            seed=seed,
            method=method,
            budget=budget,
            frames=570,
            n=64,
            steps=16,
            seconds=seconds,
            trained_s=0.0,
            peak_mb=100.0,
            figures=Figures(fidelity=Fidelity(**alike), halves=None, **{**usual, **figures}),
        )

    return make
