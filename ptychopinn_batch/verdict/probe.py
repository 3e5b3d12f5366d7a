"""How much another probe explains, and whether the stored one lies well in its frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.jobspec import Refine
from ptychopinn_batch.refinement.adjuster import Adjuster
from ptychopinn_batch.verdict.evidence import Explained, Probe
from ptychopinn_batch.verdict.sample import Sample, residual

STEPS = 48  # a wrong defocus is found slowly
BORDER = 8  # a border of n / 8 pixels


def probe_errors(sample: Sample, before: float, floor: float) -> Probe:
    """Against the residual of the sample's frames with the stored probe."""
    region = sample.region
    found = sample.reconstructed(region, STEPS, Adjuster.of(Refine(steps=STEPS), region, seed=0))
    return Probe(
        explained=Explained(before=before, after=residual(found.object, found.region), floor=floor),
        change=_distance(region.probe, found.region.probe),
        offset=_offset(region.probe),
        border=_border(region.probe),
    )


def _distance(one: Tensor, other: Tensor) -> float:
    """Of two probes with one factor between them matched, relative to the first."""
    factor = (other.conj() * one).sum() / physics.abs2(other).sum()
    error = physics.abs2(one - factor * other).sum() / physics.abs2(one).sum()
    return float(error.sqrt())


def _offset(probe: Tensor) -> float:
    """Distance of the light's centre from pixel n // 2, on the torus, of the frame's size."""
    light = physics.abs2(probe).sum(0).cpu().double().numpy()
    n = light.shape[0]
    turn = np.exp(2j * np.pi * (np.arange(n) - n // 2) / n)
    x, y = (float(np.angle((light.sum(axis) * turn).sum())) for axis in (0, 1))
    return float(np.hypot(x, y) / (2 * np.pi))


def _border(probe: Tensor) -> float:
    """Share of the light in a border around the frame."""
    light = physics.abs2(probe).sum(0)
    edge = max(1, light.shape[0] // BORDER)
    inside = light[edge:-edge, edge:-edge].sum()
    return float(torch.clamp(1 - inside / light.sum(), min=0))
