"""A scan that is only a file yet, judged from the frames around its middle: no other is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.source import FrameSource, PickedFrames, RawScan
from ptychopinn_batch.inference import best_device
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.opened import open_scan
from ptychopinn_batch.stages.prepare import simulated
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.examine import FEWEST, examine, shipped
from ptychopinn_batch.verdict.sample import central_rows


def glance(scan: Scan) -> Evidence:
    """The evidence of a scan's file, or of a simulated scan. UserError where it cannot be used."""
    raw = central(scan)
    if len(raw.frames) < FEWEST:
        what = f"{len(raw.frames)} frames are too few to tell, {FEWEST} are needed"
        raise UserError(what, where=raw.origin, mend="Give a larger scan")
    with TemporaryDirectory(prefix="ptychopinn-check-") as folder:
        found = examine(build_store(raw, Path(folder) / "sample"), shipped(best_device()))
    assert found is not None  # there are enough frames
    return found


def central(scan: Scan) -> RawScan:
    """The frames around the middle of a scan; of a file, no others are read."""
    if scan.simulate is not None:
        raw = simulated(scan)
        return picked(raw, PickedFrames(raw.frames, _rows(raw)), _rows(raw))
    opened = open_scan(scan)
    raw = opened.raw()
    rows = _rows(raw)
    return picked(raw, replace(opened.frames, rows=opened.pairs.rows[rows]), rows)


def picked(raw: RawScan, frames: FrameSource, rows: NDArray[np.int64]) -> RawScan:
    """A scan of these rows alone; what it is compared with is left out."""
    return replace(
        raw,
        frames=frames,
        positions=raw.positions[rows],
        scan_index=raw.scan_index[rows],
        reference=None,
        recorded_positions=None,
    )


def _rows(raw: RawScan) -> NDArray[np.int64]:
    return central_rows(raw.positions, raw.frames.n, len(raw.probe))
