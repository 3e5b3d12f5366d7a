"""The figures of a method on a scan: one function of what it made, the same for every method."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from hpc.record import Record
from ptychopinn_batch.comparison import scan_box
from ptychopinn_batch.metrics import finite
from ptychopinn_batch.region import Region
from ptychopinn_batch.registration import Pair, in_one_gauge
from ptychopinn_batch.resolution import ring_correlation

from .fidelity import Fidelity, fidelity, matched
from .outcome import Outcome
from .prepared import Prepared, residual

DIVERGED = 1.05  # of the R of an empty object: from there on a result is worse than none
LOW_RINGS = 7  # rings of the lowest frequencies, where weak contrast is lost first


class HalfScans(Record):
    """Fourier ring correlation of two objects from every other frame each.

    frc50: as in `Fidelity`; low: its mean over the seven rings of lowest frequency.
    """

    frc50: float
    low: float


class Figures(Record):
    """R: relative squared amplitude residual of the shown frames, R_held of those held out (with
    the recorded positions; None without any); R_empty, R_true, R_held_true: see `Prepared`;
    fidelity: None without a reference, or where the object is not finite; diverged: not finite, or
    worse than an empty object."""

    R: float | None
    R_held: float | None
    R_empty: float
    R_true: float | None
    R_held_true: float | None
    fidelity: Fidelity | None
    halves: HalfScans | None
    diverged: bool

    @property
    def flat(self) -> bool:
        return self.fidelity is not None and self.fidelity.flat


@dataclass(frozen=True)
class Judged:
    """Figures, and the object and its reference in one gauge, to be shown."""

    figures: Figures
    pair: Pair | None


def judge(outcome: Outcome, prepared: Prepared, halves: HalfScans | None = None) -> Judged:
    """All figures of an outcome."""
    fitted = residual(outcome.object, outcome.region)
    sound = math.isfinite(fitted) and bool(torch.isfinite(torch.view_as_real(outcome.object)).all())
    pair = pair_of(outcome, prepared) if sound else None
    figures = Figures(
        R=finite(fitted),
        R_held=_held_residual(outcome, prepared),
        R_empty=prepared.R_empty,
        R_true=prepared.R_true,
        R_held_true=prepared.R_held_true,
        fidelity=fidelity(pair) if pair else None,
        halves=halves,
        diverged=not sound or fitted > DIVERGED * prepared.R_empty,
    )
    return Judged(figures, pair)


def _held_residual(outcome: Outcome, prepared: Prepared) -> float | None:
    if not len(prepared.held):
        return None
    return finite(residual(outcome.object, replace(prepared.held, probe=outcome.region.probe)))


def pair_of(outcome: Outcome, prepared: Prepared) -> Pair | None:
    """The object and the scan's reference over the scanned area; None without a reference."""
    store = prepared.store
    if store.reference is None:
        return None
    return matched(
        outcome.object.numpy(),
        prepared.lit.numpy(),
        store.reference.numpy(),
        store.info.canvas,
        store.positions.numpy(),
    )


def halves_of(shown: Region) -> tuple[Region, Region]:
    """Every other frame of a region, along the order of its store."""
    odd = torch.arange(len(shown)) % 2 == 1
    return shown.subset(~odd), shown.subset(odd)


def compare_halves(one: Outcome, other: Outcome, prepared: Prepared) -> HalfScans | None:
    """The ring correlation of two objects over the scanned area; None where they cannot be."""
    area = _scanned(prepared)
    images = [outcome.object.numpy()[area] for outcome in (one, other)]
    if not all(np.isfinite(image).all() for image in images):
        return None
    pair = in_one_gauge(images[0], images[1], prepared.lit.numpy()[area])
    if pair is None:
        return None
    rings = ring_correlation(pair.object, pair.reference)
    low: NDArray[np.float64] = np.nan_to_num(rings.value[:LOW_RINGS])
    return HalfScans(frc50=rings.limit, low=float(low.mean()))


def _scanned(prepared: Prepared) -> tuple[slice, slice]:
    return scan_box(prepared.store.info.canvas, prepared.store.positions.numpy()).slices
