"""Whether the scan has enough in it to be solved: overlap, oversampling, redundancy, light."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptychopinn_batch.data.checks import lit_diameter, step_between
from ptychopinn_batch.inspection import lit_area
from ptychopinn_batch.verdict.evidence import Sampling

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore


def sampling(store: ScanStore, *, counts: bool) -> Sampling:
    """Of the whole scan: positions and probe are small."""
    info, positions = store.info, store.positions.numpy()
    diameter = lit_diameter(store.probe.numpy())
    return Sampling(
        overlap=1 - step_between(positions) / diameter,
        oversampling=info.n / diameter,
        redundancy=info.frames * info.n**2 / (2 * lit_area(positions, diameter / 2)),
        photons=info.photons,
        counts=counts,
    )
