"""Parameters of tasks: all that decides a result, and nothing that is of no consequence to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from hpc.errors import UserError
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.inputs.facts import Package
from ptychopinn_batch.jobspec import JobSpec, Model, ModelExport, Refine, ResultExport, Tiled, Train
from ptychopinn_batch.legacy.bundle import check_bundle
from ptychopinn_batch.stages.params import (
    MACHINES,
    PRETRAINED,
    FinalizeParams,
    InferParams,
    RefineParams,
    array_key,
)

TILING = ("tile", "halo")


def by_content(model: Model, package: Package | None) -> Model:
    """A model whose package is named by what it holds, not by where it lies."""
    if package is None:
        return model
    return model.model_copy(update={"pretrained": f"{PRETRAINED}{package.identity}"})


def wherever(train: Train) -> Train:
    """A training without the machines it runs on."""
    return train.model_copy(update={key: Train.model_fields[key].default for key in MACHINES})


def whole_array(network: str, store: str, infer: Tiled, canvas: Canvas) -> InferParams:
    """All tiles of an object in one; how many a task takes is of no consequence to them."""
    default = Tiled.model_fields["tiles_per_task"].default
    infer = infer.model_copy(update={"tiles_per_task": default})
    rows, columns = canvas.tile_counts(infer.tile)
    return InferParams(
        network=network,
        store=store,
        infer=infer,
        canvas=canvas,
        tiles=(0, rows * columns),
        array_key=array_key(network=network, store=store, infer=infer, canvas=canvas),
    )


def blocks_of(whole: InferParams, size: int) -> Iterator[InferParams]:
    """The tiles of an object as tasks take them, so many each."""
    _, count = whole.tiles
    for first in range(0, count, size):
        yield whole.model_copy(update={"tiles": (first, min(first + size, count))})


def refinement(
    network: str, store: str, refine: Refine, infer: Tiled, canvas: Canvas
) -> RefineParams:
    """What decides what is found of a scan."""
    return RefineParams(
        network=network,
        store=store,
        refine=refine,
        infer=_only_tiling(infer, refine),
        canvas=canvas,
    )


def _only_tiling(infer: Tiled, refine: Refine) -> Tiled:
    """Without what is of no consequence to a refinement; tiles are to one of positions."""
    without = ("steps", "tiles_per_task", *(() if refine.positions else TILING))
    return infer.model_copy(update={key: Tiled.model_fields[key].default for key in without})


def model_exports(spec: JobSpec, package: Package | None) -> tuple[ModelExport, ...]:
    """The formats of a network, in order. UserError where it has no place in one of them."""
    architecture = package.architecture if package else spec.model.architecture
    if "bundle" in spec.export and architecture != "cnn":
        what = f"PtychoPINN knows no network {architecture!r}: a bundle holds a 'cnn'"
        raise UserError(what, where="export", mend="Leave bundle out")
    cnn = package.cnn if package else spec.model.cnn
    if "bundle" in spec.export and cnn is not None:
        check_bundle(cnn)  # before hours of training
    return tuple(kind for kind in get_args(ModelExport) if kind in spec.export)


def finalization(whole: InferParams, spec: JobSpec) -> FinalizeParams:
    """What decides the results of a scan."""
    return FinalizeParams(
        store=whole.store,
        network=whole.network,
        infer=whole.infer,
        array_key=whole.array_key,
        canvas=whole.canvas,
        export=tuple(sorted(kind for kind in get_args(ResultExport) if kind in spec.export)),
    )
