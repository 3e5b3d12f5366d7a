"""All questions of a verdict, asked of one sample of a scan's frames, in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ptychopinn_batch.package import load_model, package_identity, resolve_pretrained
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.frames import floor_of, frame_errors, sums_of
from ptychopinn_batch.verdict.halves import halves
from ptychopinn_batch.verdict.orientation import placements
from ptychopinn_batch.verdict.overlap import sampling
from ptychopinn_batch.verdict.pixels import strange
from ptychopinn_batch.verdict.positions import position_errors
from ptychopinn_batch.verdict.probe import probe_errors
from ptychopinn_batch.verdict.sample import Sample, residual
from ptychopinn_batch.verdict.settling import settling

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore
    from ptychopinn_batch.networks.base import Network

FEWEST = 16  # frames, of which halves and predictions can be made
LOOK = 5  # steps, to see which pixels are strange
STEPS = 16  # of the object that others are compared with: as many as those are refined in


def shipped(device: torch.device) -> Network:
    """The network that asks the questions, whichever made the result that is judged."""
    return load_model("default").network.to(device).eval()


def shipped_identity() -> str:
    """The hash of what decides its answers."""
    return package_identity(resolve_pretrained("default", Path.cwd()))


def examine(
    store: ScanStore, network: Network, beat: Callable[[int, int], None] = lambda done, total: None
) -> Evidence | None:
    """The evidence of a scan, None where it has too few frames.

    Memory is bounded by the sample, however large the scan is. `beat` is told how much of the
    work is about done.
    """
    if store.info.frames < FEWEST:
        return None
    sample = _trusted(Sample.of(store, network))
    beat(1, 10)
    obj = sample.reconstructed(sample.region, STEPS).object
    before = residual(obj, sample.region)
    floor = floor_of(obj, sample.region) if sample.counts else 0.0
    placed = placements(sample)
    beat(4, 10)
    settled = settling(sample)
    beat(6, 10)
    positions = position_errors(sample, before, floor)
    beat(8, 10)
    probe = probe_errors(sample, before, floor)
    beat(10, 10)
    return Evidence(
        frames=len(sample),
        placements=placed,
        halves=halves(sample),
        errors=frame_errors(sample, obj),
        positions=positions,
        probe=probe,
        sampling=sampling(store, counts=sample.counts),
        settling=settled,
    )


def _trusted(sample: Sample) -> Sample:
    """A sample without the pixels that no model explains."""
    region = sample.region
    obj = sample.reconstructed(region, LOOK).object
    sums = sums_of(obj, region, blurs=())
    return sample.without(*strange(sums.measured, sums.modelled, sums.modelled))
