"""What the task of each stage leaves behind: where those that need it look. No torch."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from hpc.paths import RunPaths
from hpc.task import Task
from ptychopinn_batch.jobspec import ResultExport
from ptychopinn_batch.package import EXTRA_FILES, package_files
from ptychopinn_batch.results.paths import ResultPaths, tile_record
from ptychopinn_batch.stages.params import (
    CheckParams,
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
    root = f"{run.root}{os.sep}"  # `relative_to` takes seconds of tens of thousands of paths
    match params:
        case InferParams():
            folder, names = ResultPaths.of(run, task).folder, _block_names(params.tiles[1] - 1)
        case FinalizeParams():
            folder, names = ResultPaths.of(run, task).folder, _result_names(params.export)
        case _:
            return tuple(str(path).removeprefix(root) for path in _outputs(task, params, run))
    below = str(folder).removeprefix(root)
    return tuple(f"{below}{os.sep}{name}" for name in names)


@lru_cache(2**16)
def _block_names(last: int) -> tuple[str, ...]:
    """What the block that ends with this tile leaves in the folder of its result."""
    # Tiles are written in order, and lose their records together.
    array = _HERE.object_array
    return str(array), str(tile_record(array, last))


@lru_cache
def _result_names(exports: tuple[ResultExport, ...]) -> tuple[str, ...]:
    """What there is in the end in the folder of a result."""
    files = (path for export in exports for path in _HERE.exports(export))
    return tuple(map(str, (_HERE.object_array, *files, _HERE.provenance, _HERE.metrics)))


_HERE = ResultPaths(Path())


def _outputs(task: Task, params: StageParams, run: RunPaths) -> tuple[Path, ...]:
    match params:
        case PrepareParams() | RefineParams():
            return (run.store(task.key),)
        case CheckParams():
            return ()
        case TrainParams():
            return package_files(TrainingPaths(run.training(task.key)).package)
        case PackageParams():
            names = [EXTRA_FILES[kind] for kind in params.export]
            return package_files(run.model(str(task.extras["variant"])), names)
    raise TypeError(f"a stage of which nothing is known: {params.stage}")
