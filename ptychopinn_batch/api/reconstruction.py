"""`reconstruct`: an object from its frames, and how good it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.memory import peak_mb
from ptychopinn_batch.api.progress import Progress, silent
from ptychopinn_batch.api.scan import LoadedScan
from ptychopinn_batch.api.spec import Begin, ModelLike
from ptychopinn_batch.inputs.facts import check_scan
from ptychopinn_batch.jobspec import Infer, Tiled
from ptychopinn_batch.stages.params import HELD_OUT
from ptychopinn_batch.tiling import tiled
from ptychopinn_batch.training.curves import Points

if TYPE_CHECKING:
    from ptychopinn_batch.canvas import Canvas
    from ptychopinn_batch.data.store import ScanInfo, ScanStore
    from ptychopinn_batch.exports.result import Result
    from ptychopinn_batch.metrics import Metrics
    from ptychopinn_batch.networks.base import Network
    from ptychopinn_batch.objectstore import Complex, Light, Mask, StoredObject


@dataclass(frozen=True, repr=False)
class Reconstruction:
    """A reconstructed scan, and how good it is. `network`: id of what made it."""

    result: Result
    metrics: Metrics
    infer: Tiled
    network: str

    def __repr__(self) -> str:
        figures = self.metrics
        held_out = "" if figures.R_held_out is None else f", R_held_out={figures.R_held_out:.5f}"
        found = "none" if figures.R is None else f"{figures.R:.5f}"
        return f"<Reconstruction of {self.result.title}: R={found}{held_out}, {figures.verdict}>"

    @property
    def object(self) -> Complex:
        """(H, W) complex64 on the canvas, NaN where no frame saw it."""
        return self.result.object

    @property
    def seen(self) -> Mask:
        """(H, W) bool."""
        return self.result.seen

    @property
    def weight(self) -> Light:
        """(H, W) float32: the light, 1 at the brightest pixel of the scan."""
        return self.result.weight

    @property
    def canvas(self) -> Canvas:
        """Where the object's pixels lie among the scan's positions."""
        return self.result.canvas


def reconstruct(
    scan: LoadedScan,
    model: ModelLike = "default",
    *,
    seed: int = 0,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    **keys: Any,
) -> Reconstruction:
    """Reconstruct a scan, and measure how well the object explains its frames.

    keys: as in `infer` of a job spec, such as steps, tile. seed: of a new network. progress is told
    of tiles.
    """
    from ptychopinn_batch.inference import best_device

    begin = Begin.of(model, runs)
    spec = begin.spec("reconstruct", seed, [scan.source], infer=keys)
    check_scan(spec, spec.scans[0], scan.facts)
    network, started = begin.network(spec).to(best_device()).eval(), time.perf_counter()
    infer = _tiled(spec.infer, scan.info)
    found = _whole(network, scan.store, infer, progress or silent)
    result = _result(scan, found, begin.losses)
    seconds = time.perf_counter() - started
    metrics = _judged(result, network, infer, seconds)
    return Reconstruction(_with_residual(result, metrics), metrics, infer, begin.id)


def _tiled(infer: Infer, scan: ScanInfo) -> Tiled:
    return tiled(infer, frames=scan.frames, n=scan.n, canvas=scan.canvas)


def _whole(network: Network, store: ScanStore, infer: Tiled, progress: Progress) -> StoredObject:
    """The object of a scan, tile by tile, as its array on disk would hold it."""
    import numpy as np

    from ptychopinn_batch.inference import reconstruct_tile
    from ptychopinn_batch.objectstore import StoredObject

    canvas = store.info.canvas
    found = StoredObject(
        object=np.empty(canvas.shape, np.complex64),
        weight=np.empty(canvas.shape, np.float32),
        seen=np.empty(canvas.shape, np.bool_),
    )
    tiles = tuple(canvas.tiles(infer.tile))
    for done, window in enumerate(tiles, start=1):
        tile = reconstruct_tile(network, store, canvas, window, infer)
        found.object[window.slices] = np.where(tile.seen, tile.object, np.nan)
        found.weight[window.slices], found.seen[window.slices] = tile.weight, tile.seen
        progress(done, len(tiles))
    return found


def _result(scan: LoadedScan, found: StoredObject, losses: Points) -> Result:
    from ptychopinn_batch.exports.result import Result

    return Result(
        title=scan.name,
        store=scan.store,
        canvas=scan.info.canvas,
        object=found.object,
        seen=found.seen,
        weight=found.weight,
        losses=losses,
    )


def _judged(result: Result, network: Network, infer: Infer, seconds: float) -> Metrics:
    """The figures that a run gives a result."""
    from ptychopinn_batch.inference import device_of, held_out_residual
    from ptychopinn_batch.metrics import finite
    from ptychopinn_batch.residual import residuals
    from ptychopinn_batch.results.measuring import metrics_of
    from ptychopinn_batch.usage import Usage
    from ptychopinn_batch.verdict.examine import examine, shipped

    store, canvas = result.store, result.canvas
    measured = residuals(store, result.filled, canvas, device=device_of(network))
    held_out = held_out_residual(network, store, canvas, infer, HELD_OUT)
    evidence = examine(store, shipped(device_of(network)))
    usage = Usage(seconds={"infer": seconds}, peak_rss_mb=peak_mb())
    steps = infer.steps if network.iterates else None
    return metrics_of(result, measured, finite(held_out), evidence, usage, steps)


def _with_residual(result: Result, metrics: Metrics) -> Result:
    return result if metrics.R is None else result.with_residual(metrics.R)
