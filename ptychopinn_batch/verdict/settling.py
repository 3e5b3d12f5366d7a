"""How many steps a scan takes: what objects of more and more steps leave of frames left out."""

from __future__ import annotations

from ptychopinn_batch.verdict.evidence import Settling
from ptychopinn_batch.verdict.frames import floor_of
from ptychopinn_batch.verdict.sample import Sample, residual

TRIED = (8, 16, 32, 64)


def settling(sample: Sample) -> Settling:
    """Of one reconstruction, looked at on its way: it is the same as several that end there."""
    shown, left_out = (sample.region.subset(rows) for rows in (~sample.left_out, sample.left_out))
    objects = sample.reconstructed(shown, TRIED[-1]).objects
    return Settling(
        left={str(steps): residual(objects[steps - 1], left_out) for steps in TRIED},
        floor=floor_of(objects[-1], left_out) if sample.counts else 0.0,
    )
