"""Every threshold of a verdict, and how a figure is graded by one. Pure."""

from __future__ import annotations

import math

from ptychopinn_batch.verdict.findings import Judgement

Limits = tuple[float, float]
"""Good up to (or from) the first, doubtful up to (or from) the second."""

# Of a result. Relative residuals.
EXCESS: Limits = (0.02, 0.08)  # beyond counting noise
EMPTY: Limits = (0.5, 0.9)  # share of what an empty object leaves
COVERAGE: Limits = (0.95, 0.5)  # share of the scanned area
STEPS: Limits = (1.5, math.inf)  # times less beyond noise that more steps leave of frames left out
STEPS_LEAST = 0.001  # relative residual: less is not worth more steps
OVERFIT = 3.0  # held-out excess over fitted excess from which frames are not predicted

# Of a scan. Set on one half of the bench's scans, tested on the other: docs/verdict.md.
AXES: Limits = (1.7, 2.5)  # times less that other axes leave of frames left out
SCALE: Limits = (1.3, 1.8)  # the same for another scale
SCALE_LEAST = 0.01  # of what an empty object leaves, that it must explain
CLEAR = 1.03  # residual over floor, of some frames: what is less may be their noise alone
NEAR = 0.025  # a factor that is nearer to 1, in its logarithm, is 1
FARTHEST = (0.74, 1.45)  # factors beyond, where predictions still get better, speak of the probe
PREDICTS = 0.5  # of what an empty object leaves: better is a prediction
STRETCH, LINEAR = 0.02, 0.5  # a stretch from which on, and its share of the shifts, it is the scale
SHIFT: Limits = (0.4, 1.0)  # pixels r.m.s., of shifts that explain something
SHIFT_SHARE = 0.25  # of the residual beyond noise: shifts that explain less prove nothing
PROBE_SHARE: Limits = (0.35, 0.6)  # of it, explained by another probe
PROBE_CHANGE: Limits = (0.08, 0.15)  # relative distance of that probe
MEANT = 1.15, 0.002  # residual over floor, and beyond it: less is nothing to be explained
OFFSET: Limits = (0.08, 0.2)  # of the frame's size: middle of the probe's light
BORDER = 0.05  # of the light: a probe that reaches the border comes back on the other side
BLUR: Limits = (0.15, 0.5)  # of the residual beyond noise, explained by a blurred detector
CLIPPED: Limits = (0.01, 0.2)  # share of frames with full pixels
DARK: Limits = (0.0, 0.1)  # share of frames
REPEATED: Limits = (0.0, 0.1)
ODD: Limits = (0.03, 0.15)
OVERLAP: Limits = (0.5, 0.3)
REDUNDANCY: Limits = (2.0, 1.0)
PHOTONS: Limits = (300.0, 30.0)  # in a frame
HALVES = 0.1  # of the Nyquist frequency: half of the frames may be too few of a sound scan
UNEXPLAINED: Limits = (0.6, 0.75)  # of what an empty object leaves of frames left out

GRADES: tuple[Judgement, ...] = ("good", "doubtful", "bad")


def upto(value: float, limits: Limits) -> Judgement:
    """The grade of a figure that should be small."""
    good, doubtful = limits
    return "good" if value <= good else "doubtful" if value <= doubtful else "bad"


def from_(value: float, limits: Limits) -> Judgement:
    """The grade of a figure that should be large."""
    good, doubtful = limits
    return "good" if value >= good else "doubtful" if value >= doubtful else "bad"


def worst(*judgements: Judgement) -> Judgement:
    """Of several grades the worst: any of them is enough."""
    return max(judgements, key=GRADES.index)


def mildest(*judgements: Judgement) -> Judgement:
    """Of several grades the best: all of them are needed."""
    return min(judgements, key=GRADES.index)
