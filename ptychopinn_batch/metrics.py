"""What is said of a result: the record `metrics.json`, the residual and the verdict.

All figures are defined here and in `comparison`; none depends on how the object was made.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from hpc.record import Record

Judgement: TypeAlias = Literal["good", "doubtful", "bad", "unknown"]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Finding: TypeAlias = tuple[Judgement, str]

NOISE_STEP = 1 / 64  # of sqrt(rate): resolution of the table of counting noise
NOISE_END = 20.0  # sqrt(rate): from there on the variance is 1/4 to a part in a thousand
EXCESS = (0.02, 0.08)  # relative residual beyond counting noise: good up to, doubtful up to
EMPTY = (0.5, 0.9)  # share of what an empty object leaves: good up to, doubtful up to
COVERAGE = (0.95, 0.5)  # share of the scanned area: good from, doubtful from
OVERFIT = 3.0  # held-out excess over fitted excess from which frames are not predicted


class Residuals(Record):
    """Relative residuals sum(|model| - amplitude)^2 / sum(amplitude^2) of all frames of a scan.

    fitted: of the object; empty: of an object that is 1 everywhere; noise: what counting noise
    alone leaves of a perfect model, None where the frames are no counts.
    """

    fitted: float
    empty: float
    noise: float | None


class Metrics(Record):
    """`metrics.json`.

    R: residual of the stored probe and the object over all frames; R_held_out: of frames that an
    object was made without; R_empty, R_noise: see `Residuals`; coverage: seen share of the scanned
    area; phase_corr, amp_ssim, phase_ssim: see `comparison`, null without a reference;
    frames_per_s: frames over the seconds from file to written array; seconds: by stage, tasks
    added up; peak_rss_mb: largest resident memory of any task; position_shift_px: how far frames
    were moved from where they were recorded, r.m.s., and mode_power: share of light in each mode of
    the probe, both null where nothing was refined.
    """

    schema_version: Literal[1] = 1
    R: float | None
    R_held_out: float | None
    R_empty: float | None
    R_noise: float | None
    phase_corr: float | None
    amp_ssim: float | None
    phase_ssim: float | None
    reference_is_truth: bool | None
    coverage: Share
    frames: int = Field(ge=1)
    frames_per_s: float | None
    seconds: dict[str, float]
    peak_rss_mb: float
    verdict: Judgement
    reasons: tuple[str, ...]
    position_shift_px: float | None = None
    mode_power: tuple[Share, ...] | None = Field(None, strict=False)

    def as_json(self) -> dict[str, JsonValue]:
        """What a task's result carries."""
        return self.model_dump(mode="json")


@lru_cache(maxsize=1)
def noise_table() -> NDArray[np.float64]:
    """Mean of (sqrt(n) - sqrt(rate))^2 of Poisson counts n, at sqrt(rate) = k * NOISE_STEP.

    About the rate itself where it is far below one, 0.46 at most, 1/4 where counts are many: the
    square root makes their variance constant (Bartlett 1936).
    """
    from scipy.stats import poisson

    root = np.arange(0, NOISE_END, NOISE_STEP)[:, None]
    counts = np.arange(0, (NOISE_END + 6) ** 2)
    return np.asarray((poisson.pmf(counts, root**2) * (np.sqrt(counts) - root) ** 2).sum(1))


def finite(value: float) -> float | None:
    """A figure as JSON can hold it: None where it is not a finite number."""
    return value if math.isfinite(value) else None


def verdict(
    *, residuals: Residuals, held_out: float | None, coverage: float
) -> tuple[Judgement, tuple[str, ...]]:
    """A plain judgement and its reasons, the worst finding deciding.

    Against the counting noise where that is known, against zero where it is not. It says whether
    the frames are explained, not whether the sample is interesting.
    """
    findings = [*_explained(residuals, held_out), *_predicted(residuals, held_out)]
    findings += _covered(coverage)
    order: tuple[Judgement, ...] = ("good", "unknown", "doubtful", "bad")
    worst = max((judgement for judgement, _ in findings), key=order.index)
    return worst, tuple(reason for _, reason in findings)


def _explained(residuals: Residuals, held_out: float | None) -> Iterator[Finding]:
    value, floor = held_out if held_out is not None else residuals.fitted, residuals.noise or 0.0
    if not math.isfinite(value):
        yield "bad", "the residual is not a finite number"
        return
    name = "R_held_out" if held_out is not None else "R"
    beyond = "counting noise" if residuals.noise is not None else "zero (no counts, noise unknown)"
    excess, left = value - floor, residuals.empty - floor
    yield _graded(excess, EXCESS), f"{name} = {value:.5f}, {excess:.5f} above {beyond}"
    if excess > EMPTY[0] * left:
        judgement: Judgement = "doubtful" if excess <= EMPTY[1] * left else "bad"
        yield (
            judgement,
            f"an empty object has R = {left + floor:.5f}: little of the frames is explained",
        )


def _predicted(residuals: Residuals, held_out: float | None) -> Iterator[Finding]:
    if held_out is None:
        yield "unknown", "no frames were held out: overfitting was not looked for"
        return
    floor = residuals.noise or 0.0
    if held_out - floor > OVERFIT * max(residuals.fitted - floor, 0.0) + EXCESS[0] / 4:
        yield "doubtful", "frames left out are explained much worse than the others: little overlap"


def _covered(coverage: float) -> Iterator[Finding]:
    good, doubtful = COVERAGE
    if coverage < good:
        judgement: Judgement = "doubtful" if coverage >= doubtful else "bad"
        yield judgement, f"only {coverage:.0%} of the scanned area was lit"


def _graded(value: float, limits: tuple[float, float]) -> Judgement:
    good, doubtful = limits
    return "good" if value <= good else "doubtful" if value <= doubtful else "bad"
