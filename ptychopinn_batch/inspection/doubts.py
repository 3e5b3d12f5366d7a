"""What speaks against a scan, in words: problems that end it, warnings that do not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ptychopinn_batch.verdict.limits import OVERLAP, PHOTONS

NEAR = 1.0  # Fresnel number
SOFT = 50.0  # eV: no X-rays have less


def near_field(
    fresnel: float | None, *, said_far: bool, energy_ev: float | None = None
) -> Iterator[str]:
    """Why a scan is no far-field scan, by its file or by its Fresnel number."""
    if not said_far:
        yield "This is a near-field scan: the file says so. Only far-field scans are understood"
    elif fresnel is not None and fresnel >= NEAR:
        yield (
            f"This is a near-field scan: its Fresnel number is {fresnel:.3g} (1 and more: a "
            "frame is no diffraction pattern). Only far-field scans are understood"
            + (f". Is its energy, {energy_ev:g} eV, in keV?" if (energy_ev or SOFT) < SOFT else "")
        )


def warnings(
    *, overlap: float | None, photons: float | None, diameter: float | None, n: int | None
) -> Iterator[str]:
    """Why a scan may reconstruct badly; None is what could not be found."""
    if overlap is not None and 0 < overlap < OVERLAP[0]:
        yield f"neighbours overlap by {overlap:.0%} only: 60 % and more is usual"
    if photons is not None and photons < PHOTONS[0]:
        yield (
            f"a frame holds {photons:.3g} photons only; or its numbers are normalised, and their "
            "noise is unknown"
        )
    if diameter and n and diameter > n / np.sqrt(2):
        yield "the probe fills its frame: waves leave it and come back on the other side"
