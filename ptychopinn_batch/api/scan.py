"""`load_scan`: a scan, read or simulated once, and kept as a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.errors import UserError
from hpc.paths import RunPaths
from ptychopinn_batch.api.progress import Progress, silent
from ptychopinn_batch.api.spec import NAME, scan_of
from ptychopinn_batch.inputs.facts import ScanFacts
from ptychopinn_batch.jobspec import Scan

if TYPE_CHECKING:
    from ptychopinn_batch.data.source import RawScan
    from ptychopinn_batch.data.store import ScanInfo, ScanStore


@dataclass(frozen=True, repr=False)
class LoadedScan:
    """A scan ready for use: what a job spec says of it, what a plan knows of it, and its store.

    `refine` gives one with a store of its own.
    """

    source: Scan
    facts: ScanFacts
    store: ScanStore

    def __repr__(self) -> str:
        info, canvas = self.info, self.info.canvas
        return (
            f"<LoadedScan {self.name}: {info.frames} frames of {info.n} x {info.n}, "
            f"{info.photons:.3g} photons each, on {canvas.height} x {canvas.width} pixels>"
        )

    @property
    def name(self) -> str:
        return str(self.source.name)

    @property
    def info(self) -> ScanInfo:
        """Frames, dose, canvas, geometry."""
        return self.store.info


def load_scan(
    path: str | Path | None = None,
    *,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    **keys: Any,
) -> LoadedScan:
    """Read a scan, or simulate one (`simulate={...}`), once: its store is kept below `runs`.

    keys: as in `scans` of a job spec, such as frames, crop, energy_ev. progress is told of frames.
    Raises UserError where the scan cannot be used.
    """
    from ptychopinn_batch.data.build import build_store, whole_store

    given = keys if path is None else {"path": str(path), **keys}
    scan, facts, folder = scan_of(given, RunPaths(Path(runs), NAME))
    store = whole_store(folder) or build_store(_raw(scan), folder, beat=progress or silent)
    return LoadedScan(scan, facts, store)


def check_as_loaded(scan: LoadedScan, verb: str) -> None:
    """UserError for a scan that is refined: its store is not what the keys of a verb tell."""
    if scan.info.refinement is not None:
        mend = "Give the scan as it was loaded"
        raise UserError(f"the scan {scan.name} is refined already", where=verb, mend=mend)


def _raw(scan: Scan) -> RawScan:
    from ptychopinn_batch.readers.opened import read_scan
    from ptychopinn_batch.stages.prepare import simulated

    return simulated(scan) if scan.simulate else read_scan(scan)
