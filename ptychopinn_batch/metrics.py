"""What is said of a result: the record `metrics.json`, and the residuals.

All figures are defined here, in `comparison` and in `verdict`; none depends on how the object was
made.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from hpc.record import Record
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.findings import Finding, Judgement

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

NOISE_STEP = 1 / 64  # of sqrt(rate): resolution of the table of counting noise
NOISE_END = 20.0  # sqrt(rate): from there on the variance is 1/4 to a part in a thousand


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
    the probe, both null where nothing was refined; verdict, reasons: see `findings`, the worst
    first, each with what mends it; evidence: what the frames say of the scan itself, null where
    there are too few of them.
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
    findings: tuple[Finding, ...] = Field((), strict=False)
    evidence: Evidence | None = None

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
