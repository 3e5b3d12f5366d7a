"""The infer stage: a block of tiles of one scan, each written once."""

from __future__ import annotations

import json
import time

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from ptychopinn_batch import legacy
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import best_device, reconstruct_tile
from ptychopinn_batch.jobspec import Model
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.registry import new_network
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.package import load_package, package_here
from ptychopinn_batch.results import ResultPaths
from ptychopinn_batch.stages.params import PRETRAINED, UNTRAINED, InferParams
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.usage import PEAK, peak_rss_mb


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Reconstruct the tiles that are not done yet, and say how fast that was."""
    params = InferParams.of(context.task)
    store = ScanStore.open(context.run.store(params.store))
    network = network_of(context, params.network).to(best_device())
    legacy.enter_inference(context, params, store.info, network.settings)
    array = ObjectStore.create(
        ResultPaths.of(context.run, context.task).object_array,
        canvas=params.canvas,
        tile=params.infer.tile,
        array_key=params.array_key,
    )
    numbers, frames, started = range(*params.tiles), 0, time.perf_counter()
    for done, number in enumerate(numbers):
        if context.should_stop():
            what = f"asked to stop; {done} of {len(numbers)} tiles are written"
            raise Requeue(what, kept=frames > 0)
        if not array.tile_done(number):
            frames += _write(array, number, network, store, params)
        seconds = time.perf_counter() - started
        context.heartbeat(step=done + 1, total=len(numbers), frames_per_s=frames / seconds)
    seconds = time.perf_counter() - started
    return {"tiles": len(numbers), "frames": frames, "seconds": seconds, PEAK: peak_rss_mb()}


def _write(
    array: ObjectStore, number: int, network: Network, store: ScanStore, params: InferParams
) -> int:
    """One tile from frames to disk; how many frames it took."""
    tile = reconstruct_tile(network, store, params.canvas, array.tiles[number], params.infer)
    array.write_tile(tile.window, tile.object, tile.weight, tile.seen)
    return tile.frames


def network_of(context: TaskContext, network: str) -> Network:
    """The network of this id: packaged elsewhere, untrained, or trained by a task of this run."""
    extras = context.task.extras
    if network.startswith(PRETRAINED):
        identity = network.removeprefix(PRETRAINED)
        return load_package(package_here(str(extras["package"])), identity=identity).network
    if network.startswith(UNTRAINED):
        model = Model.model_validate_json(json.dumps(extras["model"]))
        return new_network(model, int(str(extras["seed"]))).eval()
    return load_package(TrainingPaths(context.run.training(network)).package).network
