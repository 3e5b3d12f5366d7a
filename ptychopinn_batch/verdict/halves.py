"""Do two halves of the frames, reconstructed apart, tell the same?"""

from __future__ import annotations

import numpy as np
import torch

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.comparison import scan_box
from ptychopinn_batch.physics import LEAST_LIGHT
from ptychopinn_batch.registration import in_one_gauge
from ptychopinn_batch.resolution import ring_correlation
from ptychopinn_batch.verdict.evidence import Halves
from ptychopinn_batch.verdict.sample import Sample

STEPS = 8
LOW_RINGS = 7  # rings of the lowest frequencies
SMALLEST = 16  # pixels, side of an area that has rings


def halves(sample: Sample) -> Halves | None:
    """None where the area that both halves see is too small."""
    odd = torch.arange(len(sample)) % 2 == 1
    region = sample.region
    canvas = Canvas.around(sample.positions, region.n)
    area = scan_box(canvas, sample.positions).slices
    parts = [region.subset(chosen.to(region.corners.device)) for chosen in (~odd, odd)]
    one, other = (sample.reconstructed(part, STEPS).object[area].cpu().numpy() for part in parts)
    lit = [part.illumination > LEAST_LIGHT * part.illumination.max() for part in parts]
    seen = (lit[0] & lit[1])[area].cpu().numpy()
    if min(one.shape) < SMALLEST or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return None
    pair = in_one_gauge(one, other, seen)
    if pair is None:
        return None
    rings = ring_correlation(pair.object, pair.reference)
    pixel = sample.store.info.canvas.pixel_size_m
    limit = rings.limit
    low = float(np.nan_to_num(rings.value[:LOW_RINGS]).mean())
    resolution = pixel / limit if pixel and limit > 0 else None
    return Halves(limit=limit, low=low, resolution_m=resolution)
