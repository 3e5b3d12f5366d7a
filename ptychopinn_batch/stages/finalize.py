"""The finalize stage: how good a reconstructed scan is, and the files that leave the system."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from hpc.fsio import write_atomic
from hpc.record import Record
from hpc.task import content_key
from ptychopinn_batch import legacy
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.exports.write import write_exports
from ptychopinn_batch.inference import best_device, held_out_residual
from ptychopinn_batch.metrics import Metrics, Residuals, finite
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.provenance import Provenance, collect
from ptychopinn_batch.report.draw import draw
from ptychopinn_batch.report.frames import FrameStatistics
from ptychopinn_batch.report.live import optional
from ptychopinn_batch.report.record import Curve
from ptychopinn_batch.report.write import refresh
from ptychopinn_batch.residual import residuals
from ptychopinn_batch.results.measuring import metrics_of
from ptychopinn_batch.results.paths import ResultPaths, evidence_path
from ptychopinn_batch.stages.infer import network_of
from ptychopinn_batch.stages.params import PRETRAINED, UNTRAINED, FinalizeParams
from ptychopinn_batch.training.curves import Points, curve
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.usage import usage_of
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.examine import examine, shipped, shipped_identity
from ptychopinn_batch.verdict.kept import evidence_at

PASS_PIXEL = 1e-7  # seconds: one pixel of one frame, in one of the two passes over all of them
EXAMINED = 6.0  # seconds: a sample of a scan, however large it is
LEARNING = {"loss": "loss", "validation": "log of the error"}
"""Columns of a training's history that are shown, and what they are."""


class ResultProvenance(Record):
    """`provenance.json`: keys of all that decided the result, and where it was finished."""

    task: str
    key: str
    store: str
    network: str
    array_key: str
    params: dict[str, JsonValue]
    provenance: Provenance


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Measure, export, and write the metrics last: where they stand, the rest is whole."""
    started = time.perf_counter()
    params = FinalizeParams.of(context.task)
    store = ScanStore.open(context.run.store(params.store))
    network = network_of(context, params.network).to(best_device())
    legacy.enter_inference(context, params, store.info, network.settings)
    paths = ResultPaths.of(context.run, context.task)
    for earlier in (paths.metrics, paths.report):
        earlier.unlink(missing_ok=True)
    seen = FrameStatistics()
    result, measured = _measured(context, params, store, paths, seen)
    held_out = held_out_residual(network, store, params.canvas, params.infer, params.held_out)
    if context.should_stop():
        raise Requeue("asked to stop before the exports", kept=False)
    _export(context, params, result, paths)
    _draw(context, params, result, seen, paths.report)
    evidence = _evidence(context, params, store)
    usage = usage_of(context.run, context.task, time.perf_counter() - started)
    steps = params.infer.steps if network.iterates else None
    metrics = metrics_of(result, measured, finite(held_out), evidence, usage, steps)
    _write_records(context, params, paths, metrics)
    refresh(context.run)
    return metrics.as_json()


def _beat(context: TaskContext, store: ScanStore, passed: int) -> Callable[[int, int], None]:
    """Tells, in hundredths of the whole time, how far a part is: two passes over the frames, and
    then a look at some of them."""
    one = PASS_PIXEL * store.info.frames * store.info.n**2
    before, own = passed * one, one if passed < 2 else EXAMINED

    def beat(done: int, total: int) -> None:
        share = (before + own * done / total) / (2 * one + EXAMINED)
        context.heartbeat(step=round(100 * share), total=100)

    return beat


def _evidence(context: TaskContext, params: FinalizeParams, store: ScanStore) -> Evidence | None:
    """Of the scan: the same for all variants, so that it is kept in the run."""
    network = shipped(best_device())
    what = {"network": shipped_identity(), "revision": params.revision}
    kept = evidence_path(context.run, params.store)
    beat = _beat(context, store, 2)
    return evidence_at(kept, content_key(what), lambda: examine(store, network, beat))


def _measured(
    context: TaskContext,
    params: FinalizeParams,
    store: ScanStore,
    paths: ResultPaths,
    seen: FrameStatistics,
) -> tuple[Result, Residuals]:
    """The object, read whole, and how well it explains all frames, which `seen` is shown."""
    stored = ObjectStore.open(paths.object_array, array_key=params.array_key).read()
    extras = context.task.extras
    result = Result(
        title=f"{extras['scan']} ({extras['variant']})",
        store=store,
        canvas=params.canvas,
        object=stored.object,
        seen=stored.seen,
        weight=stored.weight,
        losses=_history(context, params.network, "loss"),
    )
    found = residuals(
        store,
        result.filled,
        params.canvas,
        device=best_device(),
        beat=_beat(context, store, 0),
        look=seen.see,
    )
    return result.with_residual(found.fitted), found


def _export(
    context: TaskContext, params: FinalizeParams, result: Result, paths: ResultPaths
) -> None:
    """Every file that was asked for; the frames were read once before."""
    write_exports(result, paths, params.export, _beat(context, result.store, 1))


def _draw(
    context: TaskContext,
    params: FinalizeParams,
    result: Result,
    seen: FrameStatistics,
    report: Path,
) -> None:
    """What the report of the run shows of this result, if it can be drawn."""
    with optional(f"the pictures of {report.parent}"):
        curves = tuple(_curves(context, params.network))
        drawn = draw(result, seen, key=context.task.key, curves=curves)
        write_atomic(report, drawn.model_dump_json() + "\n")


def _history(context: TaskContext, network: str, column: str) -> Points:
    """Epoch and figure of the training in this run that made the network, if one did."""
    if network.startswith((PRETRAINED, UNTRAINED)):
        return ()
    return curve(TrainingPaths(context.run.training(network)).history, column)


def _curves(context: TaskContext, network: str) -> Iterator[Curve]:
    """What the training came to, epoch by epoch."""
    for column, label in LEARNING.items():
        points = _history(context, network, column)
        if points:
            yield Curve(name=f"Training: {column}", x_label="epoch", y_label=label, points=points)


def _write_records(
    context: TaskContext, params: FinalizeParams, paths: ResultPaths, metrics: Metrics
) -> None:
    legacy_params = context.run.task_params(context.task.id)
    if legacy_params.exists():
        write_atomic(paths.params, legacy_params.read_bytes())
    record = ResultProvenance(
        task=context.task.id,
        key=context.task.key,
        store=params.store,
        network=params.network,
        array_key=params.array_key,
        params=params.as_json(),
        provenance=collect(),
    )
    write_atomic(paths.provenance, record.model_dump_json(indent=2) + "\n")
    write_atomic(paths.metrics, metrics.model_dump_json(indent=2) + "\n")
