"""The infer stage: a block of tiles of one scan, each written once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from copy import deepcopy
from functools import partial

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from hpc.memory import peak_mb
from ptychopinn_batch import legacy
from ptychopinn_batch.canvas import Window
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import Tile, TileInput, devices, read_tile, solve_tile
from ptychopinn_batch.jobspec import Infer, Model
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.registry import new_network
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.overlap import Behind, ahead, side_by_side
from ptychopinn_batch.package import load_package, package_here
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.stages.params import PRETRAINED, UNTRAINED, InferParams
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.usage import PEAK


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Reconstruct the tiles that are not done yet, and say how fast that was."""
    params = InferParams.of(context.task)
    store = ScanStore.open(context.run.store(params.store))
    network = network_of(context, params.network)
    legacy.enter_inference(context, params, store.info, network.settings)
    array = ObjectStore.create(
        ResultPaths.of(context.run, context.task).object_array,
        canvas=params.canvas,
        tile=params.infer.tile,
        array_key=params.array_key,
    )
    count, frames, started = params.tiles[1] - params.tiles[0], 0, time.perf_counter()
    todo = [number for number in range(*params.tiles) if not array.tile_done(number)]
    done = count - len(todo)
    inputs = _inputs(context, [array.tiles[k] for k in todo], network, store, params)
    with Behind(array.write_tile) as write:
        for tile in _solved(inputs, network, params.infer):
            write(tile.window, tile.object, tile.weight, tile.seen)
            done, frames = done + 1, frames + tile.frames
            speed = frames / (time.perf_counter() - started)
            context.heartbeat(step=done, total=count, frames_per_s=speed)
    if done < count:
        what = f"asked to stop; {done} of {count} tiles are written"
        raise Requeue(what, kept=done > count - len(todo))
    seconds = time.perf_counter() - started
    return {"tiles": count, "frames": frames, "seconds": seconds, PEAK: peak_mb()}


def _inputs(
    context: TaskContext,
    tiles: Sequence[Window],
    network: Network,
    store: ScanStore,
    params: InferParams,
) -> Iterator[TileInput]:
    """The frames of these tiles, one by one, until the task is asked to stop."""
    for tile in tiles:
        if context.should_stop():
            return
        yield read_tile(network, store, params.canvas, tile, params.infer)


def _solved(inputs: Iterator[TileInput], network: Network, infer: Infer) -> Iterator[Tile]:
    """The tiles: one after the other on a CPU, on all GPUs side by side, read ahead of them."""
    places = devices()
    if len(places) == 1 and places[0].type == "cpu":
        return (solve_tile(network, given, infer) for given in inputs)
    copies = [deepcopy(network).to(place) for place in places]
    return side_by_side(ahead(inputs), [partial(_solve, copy, infer) for copy in copies])


def _solve(network: Network, infer: Infer, given: TileInput) -> Tile:
    return solve_tile(network, given, infer)


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
