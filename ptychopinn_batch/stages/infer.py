"""The infer stage: a block of tiles of one scan, each written once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from ptychopinn_batch import legacy
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import (
    TileInput,
    best_device,
    device_of,
    read_tile,
    solve_tile,
)
from ptychopinn_batch.jobspec import Model
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.registry import new_network
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.overlap import Behind, ahead
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
    count, frames, started = params.tiles[1] - params.tiles[0], 0, time.perf_counter()
    todo = [number for number in range(*params.tiles) if not array.tile_done(number)]
    with Behind(array.write_tile) as write:
        for done, given in enumerate(_inputs(array, todo, network, store, params)):
            _heed(context, count - len(todo) + done, count, kept=done > 0)
            tile = solve_tile(network, given, params.infer)
            write(tile.window, tile.object, tile.weight, tile.seen)
            frames += tile.frames
            speed = frames / (time.perf_counter() - started)
            context.heartbeat(step=count - len(todo) + done + 1, total=count, frames_per_s=speed)
    seconds = time.perf_counter() - started
    return {"tiles": count, "frames": frames, "seconds": seconds, PEAK: peak_rss_mb()}


def _inputs(
    array: ObjectStore,
    numbers: Sequence[int],
    network: Network,
    store: ScanStore,
    params: InferParams,
) -> Iterator[TileInput]:
    """The frames of these tiles; ahead of a GPU, which computes as fast as they are read."""

    def read(number: int) -> TileInput:
        return read_tile(network, store, params.canvas, array.tiles[number], params.infer)

    return ahead(numbers, read) if device_of(network).type == "cuda" else map(read, numbers)


def _heed(context: TaskContext, done: int, count: int, *, kept: bool) -> None:
    """Raise Requeue where the task was asked to stop."""
    if context.should_stop():
        raise Requeue(f"asked to stop; {done} of {count} tiles are written", kept=kept)


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
