"""The refine stage: a scan store with the probe and the positions that the frames ask for."""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from hpc.errors import UserError
from hpc.memory import peak_mb
from ptychopinn_batch import legacy
from ptychopinn_batch.data.build import whole_store
from ptychopinn_batch.data.refined import refined_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import best_device
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.refinement.scan import Beat, refine_scan
from ptychopinn_batch.stages.infer import network_of
from ptychopinn_batch.stages.params import RefineParams
from ptychopinn_batch.usage import PEAK


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Build the refined store unless it is there and whole."""
    params, started = RefineParams.of(context.task), time.perf_counter()
    folder = context.run.store(context.task.key)
    store = whole_store(folder) or _refined(context, params)
    record = store.info.refinement
    found: dict[str, JsonValue] = record.model_dump(mode="json") if record else {}
    return {**found, "seconds": time.perf_counter() - started, PEAK: peak_mb()}


def _refined(context: TaskContext, params: RefineParams) -> ScanStore:
    store = ScanStore.open(context.run.store(params.store))
    network = network_of(context, params.network).to(best_device())
    legacy.enter_inference(context, params, store.info, network.settings)

    def beat(done: int, total: int) -> None:
        context.heartbeat(step=done, total=total)
        if context.should_stop() and done < total:
            raise Requeue(f"asked to stop after {done} of {total} parts", kept=False)

    return refined(store, network, params, context.run.store(context.task.key), beat)


def refined(
    store: ScanStore, network: Network, params: RefineParams, folder: Path, beat: Beat
) -> ScanStore:
    """The store of a scan as a network finds it to be, in `folder`."""
    if not isinstance(network, Unrolled):
        what = f"a {network.architecture!r} has no steps to refine anything between"
        mend = "Remove the section, or use an 'unrolled' network"
        raise UserError(what, where="refine", mend=mend)
    found = refine_scan(network, store, params.canvas, params.refine, params.infer, beat)
    return refined_store(
        store,
        folder,
        probe=found.probe.numpy(),
        positions=found.positions.numpy(),
        canvas=params.canvas,
        refinement=found.record,
    )
