"""What every stage calls first: `params.cfg` filled for its task, and kept as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel

from hpc.fsio import write_atomic
from ptychopinn_batch.jobspec import CnnSettings
from ptychopinn_batch.legacy.bridge import populate
from ptychopinn_batch.legacy.table import LegacySettings, Measured, Values

if TYPE_CHECKING:
    from hpc.context import TaskContext
    from ptychopinn_batch.stages.params import (
        FinalizeParams,
        InferParams,
        PackageParams,
        PrepareParams,
        RefineParams,
        TrainParams,
    )


def enter(context: TaskContext, settings: LegacySettings) -> Values:
    """Populate for a task, and keep what was filled beside it. To be called before data is read."""
    filled = populate(settings)
    text = json.dumps(filled, indent=1, sort_keys=True, allow_nan=False)
    write_atomic(context.run.task_params(context.task.id), text + "\n")
    return filled


class StoreInfo(Protocol):
    """What is asked of a scan store's description."""

    @property
    def n(self) -> int: ...
    @property
    def frames(self) -> int: ...
    @property
    def photons(self) -> float: ...


def measured(infos: Sequence[StoreInfo]) -> Measured | None:
    """One description of several scans: all their frames, and the mean dose of those."""
    if not infos:
        return None
    frames = sum(info.frames for info in infos)
    photons = sum(info.photons * info.frames for info in infos) / frames
    return Measured(frame_size=infos[0].n, frames=frames, photons=photons)


def _cnn(network: BaseModel | None) -> CnnSettings | None:
    return network if isinstance(network, CnnSettings) else None


def enter_prepare(context: TaskContext, params: PrepareParams) -> Values:
    """Before a scan is read. Its dose is not known yet."""
    path = context.task.extras.get("path")
    settings = LegacySettings(
        purpose="training",
        first_frames=params.scan.frames,
        train_file=path if isinstance(path, str) else None,
        output=str(context.run.store(context.task.key)),
    )
    return enter(context, settings)


def enter_training(context: TaskContext, params: TrainParams, infos: Sequence[StoreInfo]) -> Values:
    """Before a training reads frames; several stores are named by the folder that holds them."""
    stores = [str(context.run.store(store)) for store in params.stores]
    settings = LegacySettings(
        purpose="training",
        data=measured(infos),
        cnn=params.model.cnn,
        train=params.train,
        seed=params.seed,
        train_file=stores[0] if len(stores) == 1 else str(context.run.stores) if stores else None,
        output=str(context.run.training(context.task.key)),
    )
    return enter(context, settings)


def enter_inference(
    context: TaskContext,
    params: RefineParams | InferParams | FinalizeParams,
    info: StoreInfo,
    network: BaseModel | None = None,
) -> Values:
    """Before a scan is refined, or tiles or products of it are made, by such a network."""
    variant, scan = (str(context.task.extras[key]) for key in ("variant", "scan"))
    package = context.task.extras.get("package") or context.run.training(params.network)
    settings = LegacySettings(
        purpose="inference",
        data=measured([info]),
        cnn=_cnn(network),
        test_file=str(context.run.store(params.store)),
        model=str(package),
        output=str(context.run.result(variant, scan)),
    )
    return enter(context, settings)


def enter_package(context: TaskContext, params: PackageParams) -> Values:
    """Before a network is packaged; no data is touched."""
    settings = LegacySettings(purpose="training", cnn=params.model.cnn, train=params.train)
    return enter(context, settings)
