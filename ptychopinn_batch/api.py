"""The verbs of a run without the command line: load, train, refine, reconstruct, export.

They call what the stages of a run call, and keep no files but scan stores, which they share with
runs: the same scan, settings and seed give the same numbers. Keys are those of a job spec. Only
what computes imports torch.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from hpc.errors import UserError
from hpc.paths import RunPaths
from ptychopinn_batch.apiexport import export_model, export_result, known
from ptychopinn_batch.apispec import (
    NAME,
    Begin,
    ModelLike,
    refinement_of,
    scan_of,
    spec_of,
    training_of,
    written,
)
from ptychopinn_batch.facts import ScanFacts, check_scan
from ptychopinn_batch.jobspec import Infer, ModelExport, ResultExport, Scan, Tiled
from ptychopinn_batch.package import LoadedModel, load_model, load_package
from ptychopinn_batch.tiling import tiled
from ptychopinn_batch.training.curves import Points, curve
from ptychopinn_batch.training.paths import TrainingPaths

if TYPE_CHECKING:
    from ptychopinn_batch.canvas import Canvas
    from ptychopinn_batch.data.source import RawScan
    from ptychopinn_batch.data.store import ScanInfo, ScanStore
    from ptychopinn_batch.exports.result import Result
    from ptychopinn_batch.metrics import Metrics
    from ptychopinn_batch.networks.base import Network
    from ptychopinn_batch.objectstore import Complex, Light, Mask, StoredObject

__all__ = [
    "LoadedModel",
    "LoadedScan",
    "Reconstruction",
    "export",
    "load_model",
    "load_scan",
    "reconstruct",
    "refine",
    "train",
]

RESULT_EXPORTS = "npz", "ptychodus", "png"
HELD_OUT = 0.1  # share of frames, as in runs

Progress: TypeAlias = Callable[[int, int], None]
"""Told of what is done, and of how much there is to do; may raise to stop."""


@dataclass(frozen=True)
class LoadedScan:
    """A scan ready for use: what a job spec says of it, what a plan knows of it, and its store.

    `refine` gives one with a store of its own.
    """

    source: Scan
    facts: ScanFacts
    store: ScanStore

    @property
    def name(self) -> str:
        return str(self.source.name)

    @property
    def info(self) -> ScanInfo:
        """Frames, dose, canvas, geometry."""
        return self.store.info


@dataclass(frozen=True)
class Reconstruction:
    """A reconstructed scan, and how good it is. `network`: id of what made it."""

    result: Result
    metrics: Metrics
    infer: Tiled
    network: str

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
    store = whole_store(folder) or build_store(_raw(scan), folder, beat=progress or _silent)
    return LoadedScan(scan, facts, store)


def train(
    scans: LoadedScan | Sequence[LoadedScan] = (),
    model: ModelLike = "default",
    *,
    seed: int = 0,
    name: str = NAME,
    folder: str | Path | None = None,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    **keys: Any,
) -> LoadedModel:
    """Train a new network, or adapt a trained one, which stays as it is.

    keys: as in `train` of a job spec, such as epochs, lr, loss. folder: where the training keeps
    its checkpoints, curves and package; called again, it goes on from there. None: nowhere.
    progress is told of steps.
    """
    from ptychopinn_batch.stages.train import dose_of, metrics_of, publish
    from ptychopinn_batch.training.fit import fit

    scans = (scans,) if isinstance(scans, LoadedScan) else tuple(scans)
    for scan in scans:
        _as_it_was(scan, "train")
    begin = Begin.of(model, runs)
    sections = {"seed": seed, "scans": [written(scan.source) for scan in scans], "train": keys}
    spec, _ = spec_of("train", {**sections, "model": begin.section})
    facts, run = [scan.facts for scan in scans], RunPaths(Path(runs), NAME)
    planned = training_of(spec, facts, begin.packages, run)
    with _kept(folder, planned.key) as place:
        network, stores = begin.network(spec).train(), [scan.store for scan in scans]
        if spec.train and spec.train.simulated == 1:
            stores = []
        fitted = fit(network, planned.train, stores, seed=seed, folder=place, beat=_beat(progress))
        metrics = {**metrics_of(fitted), **dose_of(stores)}
        trained = load_package(publish(place, name, planned.params, network, metrics))
        return replace(trained, losses=curve(TrainingPaths(place).history, "loss"))


def refine(
    scan: LoadedScan,
    model: ModelLike = "default",
    *,
    seed: int = 0,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    **keys: Any,
) -> LoadedScan:
    """The same scan with the probe and the positions that its frames ask for.

    keys: as in `refine` of a job spec, such as modes, positions. What is found is kept below
    `runs`, beside the scan's store. seed: of a new network. progress is told of parts.
    """
    from ptychopinn_batch.data.build import whole_store
    from ptychopinn_batch.inference import best_device
    from ptychopinn_batch.stages.refine import refined

    _as_it_was(scan, "refine")
    begin = Begin.of(model, runs)
    sections = {"seed": seed, "scans": [written(scan.source)], "refine": keys}
    spec, _ = spec_of("refine", {**sections, "model": begin.section})
    params, folder = refinement_of(spec, scan.facts, begin, RunPaths(Path(runs), NAME))
    store = whole_store(folder)
    if store is None:
        network = begin.network(spec).to(best_device()).eval()
        store = refined(scan.store, network, params, folder, progress or _silent)
    return LoadedScan(scan.source, replace(scan.facts, canvas=params.canvas), store)


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
    sections = {"seed": seed, "scans": [written(scan.source)], "infer": keys}
    spec, _ = spec_of("reconstruct", {**sections, "model": begin.section})
    check_scan(spec, spec.scans[0], scan.facts)
    network, started = begin.network(spec).to(best_device()).eval(), time.perf_counter()
    infer = _tiled(spec.infer, scan.info)
    found = _whole(network, scan.store, infer, progress or _silent)
    result = _result(scan, found, begin.losses)
    seconds = time.perf_counter() - started
    metrics = _judged(result, network, infer, seconds)
    return Reconstruction(_with_residual(result, metrics), metrics, infer, begin.id)


def export(
    what: Reconstruction | LoadedModel,
    folder: str | Path,
    formats: Sequence[str] | None = None,
) -> tuple[Path, ...]:
    """Write a reconstruction, or a network as a package, into a folder; returns the files.

    formats: those of a job spec's `export`; None: npz, ptychodus and png, or the bare package.
    Other files in the folder stay as they are.
    """
    place = Path(folder).expanduser().absolute()
    if isinstance(what, LoadedModel):
        return export_model(what, place, known(formats or (), ModelExport))
    kinds = known(RESULT_EXPORTS if formats is None else formats, ResultExport)
    return export_result(what, place, kinds)


def _raw(scan: Scan) -> RawScan:
    from ptychopinn_batch.readers.opened import read_scan
    from ptychopinn_batch.stages.prepare import simulated

    return simulated(scan) if scan.simulate else read_scan(scan)


def _as_it_was(scan: LoadedScan, verb: str) -> None:
    """UserError for a scan that is refined: its store is not what the keys of a verb tell."""
    if scan.info.refinement is not None:
        mend = "Give the scan as it was loaded"
        raise UserError(f"the scan {scan.name} is refined already", where=verb, mend=mend)


@contextmanager
def _kept(folder: str | Path | None, key: str) -> Iterator[Path]:
    """Where a training keeps its files: below a folder by its key, or nowhere for long."""
    if folder is not None:
        yield Path(folder).expanduser().absolute() / key
        return
    with tempfile.TemporaryDirectory(prefix="ptychopinn-") as temporary:
        yield Path(temporary) / key


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
    from ptychopinn_batch.stages.finalize import metrics_of
    from ptychopinn_batch.usage import Usage, peak_rss_mb

    store, canvas = result.store, result.canvas
    measured = residuals(store, result.filled, canvas, device=device_of(network))
    held_out = held_out_residual(network, store, canvas, infer, HELD_OUT)
    usage = Usage(seconds={"infer": seconds}, peak_rss_mb=peak_rss_mb())
    return metrics_of(result, measured, finite(held_out), usage)


def _with_residual(result: Result, metrics: Metrics) -> Result:
    return result if metrics.R is None else result.with_residual(metrics.R)


def _silent(done: int, total: int) -> None:
    """Nobody is told."""


def _beat(progress: Progress | None) -> Callable[..., None]:
    """What a training tells, as two numbers."""

    def beat(*, step: int, total: int, **_: float | str) -> None:
        (progress or _silent)(step, total)

    return beat
