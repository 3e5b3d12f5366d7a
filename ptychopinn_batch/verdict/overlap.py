"""Whether the scan has enough in it to be solved: overlap, oversampling, redundancy, light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from ptychopinn_batch.data.checks import NEIGHBOURS_LOOKED_AT, lit_diameter
from ptychopinn_batch.inspection import lit_area
from ptychopinn_batch.verdict.evidence import Sampling

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore


def sampling(store: ScanStore, *, counts: bool) -> Sampling:
    """Of the whole scan: positions and probe are small.

    Steps are the distances of the fourth neighbours: those of the nearest would follow jitter.
    """
    info, positions = store.info, store.positions.numpy()
    diameter = lit_diameter(store.probe.numpy())
    some = positions[:: -(-len(positions) // NEIGHBOURS_LOOKED_AT)]
    step = float(np.median(cKDTree(positions).query(some, k=[5])[0]))
    return Sampling(
        overlap=1 - step / diameter,
        oversampling=info.n / diameter,
        redundancy=info.frames * info.n**2 / (2 * lit_area(positions, diameter / 2)),
        photons=info.photons,
        counts=counts,
    )
