"""What the task of each stage leaves behind: where those that need it look. No torch."""

from __future__ import annotations

from pathlib import Path

from hpc.paths import RunPaths
from hpc.task import Task
from ptychopinn_batch.package import EXTRA_FILES, package_files
from ptychopinn_batch.results import ResultPaths, tile_record
from ptychopinn_batch.stages.params import (
    FinalizeParams,
    InferParams,
    PackageParams,
    PrepareParams,
    RefineParams,
    StageParams,
    TrainParams,
)
from ptychopinn_batch.training.paths import TrainingPaths

__all__ = ["outputs_of"]


def outputs_of(task: Task, params: StageParams, run: RunPaths) -> tuple[str, ...]:
    """The outputs of a task with these parameters, relative to the folder of all runs."""
    return tuple(str(path.relative_to(run.root)) for path in _outputs(task, params, run))


def _outputs(task: Task, params: StageParams, run: RunPaths) -> tuple[Path, ...]:
    match params:
        case PrepareParams() | RefineParams():
            return (run.store(task.key),)
        case TrainParams():
            return package_files(TrainingPaths(run.training(task.key)).package)
        case PackageParams():
            names = [EXTRA_FILES[kind] for kind in params.export]
            return package_files(run.model(str(task.extras["variant"])), names)
        case InferParams():
            # Tiles are written in order, and lose their records together.
            array, last = ResultPaths.of(run, task).object_array, params.tiles[1] - 1
            return array, tile_record(array, last)
        case FinalizeParams():
            paths = ResultPaths.of(run, task)
            exports = (path for export in params.export for path in paths.exports(export))
            return paths.object_array, *exports, paths.provenance, paths.metrics
    raise TypeError(f"a stage of which nothing is known: {params.stage}")
