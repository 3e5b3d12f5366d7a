"""The verdict on a reconstruction: its residuals, its coverage, and the scan it was made from."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ptychopinn_batch.metrics import Residuals
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.findings import Finding, Verdict, finding
from ptychopinn_batch.verdict.judge import DENSER, LOOK, judge_scan
from ptychopinn_batch.verdict.limits import (
    COVERAGE,
    EMPTY,
    EXCESS,
    OVERFIT,
    STEPS,
    STEPS_LEAST,
    from_,
    upto,
)

DIVERGED = "Reconstruct with fewer infer.steps, and look at the frames with `check`"


def judge_result(
    residuals: Residuals,
    held_out: float | None,
    coverage: float,
    evidence: Evidence | None = None,
    steps: int | None = None,
    *,
    refined: bool = False,
) -> Verdict:
    """The verdict on a reconstruction in so many steps, and on its scan if that was looked at."""
    findings = [*_explained(residuals, held_out), *_predicted(residuals, held_out)]
    findings += _covered(coverage)
    findings += _settled(evidence, steps)
    scan = judge_scan(evidence, refined=refined).findings if evidence else ()
    return Verdict.of((*findings, *(found for found in scan if found.judgement != "good")))


def _explained(residuals: Residuals, held_out: float | None) -> Iterator[Finding]:
    value, floor = held_out if held_out is not None else residuals.fitted, residuals.noise or 0.0
    if not math.isfinite(value):
        yield finding("residual", "bad", "the residual is not a finite number", DIVERGED)
        return
    name = "R_held_out" if held_out is not None else "R"
    beyond = "counting noise" if residuals.noise is not None else "zero (no counts, noise unknown)"
    excess, left = value - floor, residuals.empty - floor
    judgement, text = upto(excess, EXCESS), f"{name} = {value:.5f}, {excess:.5f} above {beyond}"
    yield finding("residual", judgement, text, "" if judgement == "good" else LOOK)
    if excess > EMPTY[0] * left:
        text = f"an empty object has R = {left + floor:.5f}: little of the frames is explained"
        judgement = "doubtful" if excess <= EMPTY[1] * left else "bad"
        yield finding("residual", judgement, text, LOOK)


def _predicted(residuals: Residuals, held_out: float | None) -> Iterator[Finding]:
    if held_out is None:
        text = "no frames were held out: overfitting was not looked for"
        yield finding("prediction", "unknown", text)
        return
    floor = residuals.noise or 0.0
    if held_out - floor > OVERFIT * max(residuals.fitted - floor, 0.0) + EXCESS[0] / 4:
        text = "frames left out are explained much worse than the others: little overlap"
        yield finding("prediction", "doubtful", text, DENSER)


def _covered(coverage: float) -> Iterator[Finding]:
    judgement = from_(coverage, COVERAGE)
    if judgement != "good":
        text = f"only {coverage:.0%} of the scanned area was lit"
        yield finding("coverage", judgement, text, "Fill the gaps, or trust the lit part only")


def _settled(evidence: Evidence | None, steps: int | None) -> Iterator[Finding]:
    if evidence is None or evidence.settling is None or steps is None:
        return
    enough, gain = evidence.settling.enough, evidence.settling.gain(steps)
    judgement = upto(gain, STEPS)
    if judgement != "good" and evidence.settling.saved(steps) > STEPS_LEAST:
        text = f"{enough} steps would leave {gain:.1f} times less of what is beyond noise"
        yield finding("steps", judgement, text, f"Write infer.steps: {enough}")
