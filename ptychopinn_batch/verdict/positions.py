"""How much a shift of every frame explains, and how far the frames are shifted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.jobspec import Refine
from ptychopinn_batch.refinement.adjuster import Adjuster
from ptychopinn_batch.refinement.positions import exact_corners
from ptychopinn_batch.verdict.evidence import Explained, Positions
from ptychopinn_batch.verdict.sample import Sample, residual

EXPECTED = 4.0  # pixels, r.m.s.: how far off frames are looked for
STEPS = 28


def position_errors(sample: Sample, before: float, floor: float) -> Positions:
    """Against the residual of the sample's frames where they are."""
    refine = Refine(probe=False, positions=True, position_error=EXPECTED, steps=STEPS)
    start = sample.placed(sample.positions, room=refine.margin)
    found = sample.reconstructed(start, STEPS, Adjuster.of(refine, start, seed=0))
    corners = exact_corners(start).cpu().numpy()
    shifts = exact_corners(found.region).cpu().numpy() - corners
    matrix, left = without_affine(corners, shifts)
    return Positions(
        explained=Explained(before=before, after=residual(found.object, found.region), floor=floor),
        shift_rms=float(np.sqrt((left**2).sum(1).mean())),
        stretch=float(1 + np.trace(matrix) / 2),
        linear=float(1 - (left**2).sum() / max(len(shifts) * shifts.var(0).sum(), 1e-12)),
        turn=math.degrees((matrix[0, 1] - matrix[1, 0]) / 2),
    )


def without_affine(
    corners: NDArray[np.float64], shifts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The linear map (2, 2) that shifts follow, shifts = (corners - mean) @ map, and the rest."""
    centred, moved = corners - corners.mean(0), shifts - shifts.mean(0)
    matrix = np.linalg.lstsq(centred, moved, rcond=None)[0]
    return matrix, moved - centred @ matrix
