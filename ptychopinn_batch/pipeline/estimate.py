"""What a task will roughly take, from its parameters alone: enough to tell minutes from days.

The constants were measured with the shipped network on two cores of a server processor of 2023; a
GPU is some twenty times as fast. Right within a factor of two or three, and never used but to be
shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from hpc.record import Record
from hpc.task import Task
from ptychopinn_batch.jobspec import Tiled, Train
from ptychopinn_batch.refinement import SAMPLE
from ptychopinn_batch.stages.params import (
    FinalizeParams,
    InferParams,
    PrepareParams,
    RefineParams,
    TrainParams,
)
from ptychopinn_batch.tiling import planned_halo

__all__ = ["Cost", "expected_cost", "total_cost"]

START = 4.0  # seconds until a worker has imported what it needs
FRAME_PIXEL = 2e-8  # seconds: one pixel of one frame in one step of a network
OBJECT_PIXEL = 9e-7  # seconds: one pixel of the canvas in one step of a network
BACKWARD = 3.0  # a step with gradient, in steps without
STORED_PIXEL = 5e-8  # seconds: one pixel of one frame, read, put in order and written
CHECKED = 12.0  # seconds: a sample of a scan, however large it is
SIMULATED_PIXEL = 1.5e-7  # seconds: one pixel of one frame, simulated and written
EXPORTED_PIXEL = 1.5e-7  # seconds: one pixel of one frame, compared with its model and exported
STORED_BYTES = 4  # of a pixel of a frame
OBJECT_BYTES = 13  # of a pixel of the canvas


class Cost(Record):
    """Seconds on two CPU cores, and what is written to disk."""

    cpu_seconds: float = Field(ge=0)
    disk_gb: float = Field(ge=0)


def expected_cost(task: Task) -> Cost:
    """What a task will roughly take."""
    pixels = _frames(task) * _n(task) ** 2
    match task.stage:
        case "check":
            return _cost(CHECKED)
        case "prepare":
            simulated = PrepareParams.of(task).scan.simulate is not None
            each = SIMULATED_PIXEL if simulated else STORED_PIXEL
            return _cost(each * pixels, STORED_BYTES * pixels)
        case "train":
            return _cost(_training(TrainParams.of(task).train, _frames(task), _n(task)))
        case "refine":
            return _refinement(RefineParams.of(task), pixels)
        case "infer":
            return _inference(InferParams.of(task), pixels, _n(task))
        case "finalize":
            return _finishing(FinalizeParams.of(task), pixels)
    return _cost(0.0)


def total_cost(costs: Iterable[Cost]) -> Cost:
    """The sum of costs: of tasks that run one after the other."""
    costs = tuple(costs)
    return Cost(
        cpu_seconds=sum(cost.cpu_seconds for cost in costs),
        disk_gb=sum(cost.disk_gb for cost in costs),
    )


def _cost(seconds: float, written: float = 0.0) -> Cost:
    return Cost(cpu_seconds=START + seconds, disk_gb=written / 1e9)


def _step(frame_pixels: float, object_pixels: float) -> float:
    """Seconds of one step of a network."""
    return FRAME_PIXEL * frame_pixels + OBJECT_PIXEL * object_pixels


def _training(train: Train, frames: int, n: int) -> float:
    steps = BACKWARD * sum(train.unroll) / 2 + train.warm_share * train.warm / 2
    region = _step(train.frames_per_region * max(n, 32) ** 2, train.window**2)
    return train.epochs * _regions(train, frames) * steps * region


def _regions(train: Train, frames: int) -> float:
    """Regions of an epoch; those that cover all frames are full up to four fifths."""
    if train.regions_per_epoch != "cover":
        return train.regions_per_epoch
    return max(1.0, frames / (0.8 * train.frames_per_region)) / (1 - train.simulated)


def _refinement(params: RefineParams, pixels: int) -> Cost:
    """Steps of the network with as much again for the probe, which is found on some frames only,
    and with four times that where positions are searched."""
    refine, area = params.refine, params.canvas.height * params.canvas.width
    waves = pixels * (refine.modes or 1)
    share = min(1.0, SAMPLE / max(waves, 1))
    probe = 2 * _step(share * waves, share * area) if refine.probe else 0.0
    positions = 5 * _step(waves, area) if refine.positions else 0.0
    return _cost(refine.steps * (probe + positions))


def _inference(params: InferParams, pixels: int, n: int) -> Cost:
    """A share of the scan as large as that of the tiles; every tile's halo is done for it alone."""
    infer, canvas = params.infer, params.canvas
    rows, columns = canvas.tile_counts(infer.tile)
    share = (params.tiles[1] - params.tiles[0]) / (rows * columns)
    area = share * canvas.height * canvas.width
    halo = planned_halo(infer, n)
    again = _with_halo(infer, halo, canvas.height) * _with_halo(infer, halo, canvas.width)
    return _cost(infer.steps * again * _step(share * pixels, area), OBJECT_BYTES * area)


def _finishing(params: FinalizeParams, pixels: int) -> Cost:
    """Exports, one tile reconstructed again without the frames that are held out, the verdict."""
    infer, canvas = params.infer, params.canvas
    area = canvas.height * canvas.width
    share = min(1.0, infer.tile**2 / area)
    seconds = CHECKED + EXPORTED_PIXEL * pixels + infer.steps * _step(share * pixels, share * area)
    return _cost(seconds, len(params.export) * STORED_BYTES * pixels)


def _with_halo(infer: Tiled, halo: int, side: int) -> float:
    """By how much halos lengthen one side of the canvas."""
    tiles = -(-side // infer.tile)
    return 1 + 2 * halo * (tiles - 1) / side


def _frames(task: Task) -> int:
    return int(str(task.extras.get("frames", 0)))


def _n(task: Task) -> int:
    return int(str(task.extras.get("n", 0)))
