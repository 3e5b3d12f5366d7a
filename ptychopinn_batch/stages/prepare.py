"""The prepare stage: one scan, from a file or simulated, into the scan store of the task's key."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from hpc.errors import UserError
from hpc.memory import peak_mb
from ptychopinn_batch import legacy
from ptychopinn_batch.data.build import build_store, whole_store
from ptychopinn_batch.data.header import geometry_of, scan_identity
from ptychopinn_batch.data.source import RawScan, first_frames
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.opened import read_scan, reader_id
from ptychopinn_batch.simulate.scan import simulate_scan
from ptychopinn_batch.stages.params import PrepareParams
from ptychopinn_batch.usage import PEAK


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Build the store unless it is there and whole: other runs may have built it."""
    params = PrepareParams.of(context.task)
    legacy.enter_prepare(context, params)
    folder, started = context.run.store(context.task.key), time.perf_counter()
    there = whole_store(folder)
    store = there or build_store(_raw(context, params), folder, beat=_beat(context, started))
    return {
        "frames": store.info.frames,
        "photons": store.info.photons,
        "content_id": store.info.content_id,
        "built": there is None,
        "seconds": time.perf_counter() - started,
        PEAK: peak_mb(),
    }


def _raw(context: TaskContext, params: PrepareParams) -> RawScan:
    if params.input is None:
        return simulated(params.scan)
    scan = params.scan_of(context.task)
    _check_input(scan, params)
    return read_scan(scan)


def simulated(scan: Scan) -> RawScan:
    """The simulated scan of a spec, with its geometry and as many frames as are asked for."""
    if scan.simulate is None:
        raise ValueError("this scan is read from a file")
    raw = replace(simulate_scan(scan.simulate), geometry=geometry_of(scan))
    return first_frames(raw, scan.frames) if scan.frames else raw


def _check_input(scan: Scan, params: PrepareParams) -> None:
    if scan_identity(scan) != params.input:
        what = "this file was changed since the run was planned"
        raise UserError(what, where=scan.path, mend="Submit the run again")
    if (found := reader_id(scan)) != params.reader:
        what = f"this file is read by '{found}' here, but by '{params.reader}' in the plan"
        raise UserError(what, where=scan.path, mend="Install the same readers, or submit again")


def _beat(context: TaskContext, started: float) -> Callable[[int, int], None]:
    """Tells the progress after every block, and stops there when asked to: it is begun anew."""

    def beat(done: int, total: int) -> None:
        context.heartbeat(
            step=done, total=total, frames_per_s=done / (time.perf_counter() - started)
        )
        if context.should_stop() and done < total:
            what = f"asked to stop after {done} of {total} frames; the next begins anew"
            raise Requeue(what, kept=False)

    return beat
