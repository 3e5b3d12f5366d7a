"""The train stage: one network on the scans of its variant, on simulations, or on both."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from hpc.errors import StateError
from hpc.memory import peak_mb
from hpc.ranks import Ranks
from ptychopinn_batch import legacy
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import Train
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.registry import new_network
from ptychopinn_batch.package import PHOTONS, Training, load_package, package_here, save_package
from ptychopinn_batch.stages.params import TrainParams
from ptychopinn_batch.training.fit import Fitted, fit
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.training.tracking import Label
from ptychopinn_batch.usage import PEAK


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Train, and leave the weights as a package where later stages look for the task's key.

    Called by every rank of the task; the first one leaves the package.
    """
    params = TrainParams.of(context.task)
    stores = [ScanStore.open(context.run.store(store)) for store in params.stores]
    legacy.enter_training(context, params, [store.info for store in stores])
    network = starting_network(params, context.task.extras.get("pretrained"))
    folder, train = context.run.training(context.task.key), TrainParams.train_of(context.task)
    ranks = ranks_of(train, os.environ)
    fitted = fit(
        network,
        train,
        stores,
        seed=params.seed,
        folder=folder,
        beat=context.heartbeat,
        should_stop=context.should_stop,
        ranks=ranks,
        label=_label(context, params),
    )
    if not fitted.complete:
        raise Requeue("asked to stop; goes on from its last checkpoint", kept=fitted.advanced)
    metrics = metrics_of(fitted)
    if ranks.rank == 0:
        name = str(context.task.extras.get("variant", context.run.name))
        publish(folder, name, params, network, {**metrics, **dose_of(stores)})
    return {**metrics, PEAK: peak_mb()}


def _label(context: TaskContext, params: TrainParams) -> Label:
    train = params.train.model_dump(mode="json")
    settings = {f"train.{key}": value for key, value in train.items()}
    variant = str(context.task.extras.get("variant", "default"))
    return Label(context.run.name, variant, {**settings, "seed": params.seed})


def ranks_of(train: Train, environ: Mapping[str, str]) -> Ranks:
    """This process among those that the training is spread over, all of which must be there."""
    size = train.devices * train.nodes
    if size == 1:
        return Ranks()  # whatever it was started from
    ranks = Ranks.of(environ)
    if ranks.size != size:
        what = f"{size} processes are to train, but this one is of {ranks.size}"
        raise StateError(what, where="train.devices, train.nodes", mend="Submit the run again")
    return ranks


def publish(
    folder: Path, name: str, params: TrainParams, network: Network, metrics: dict[str, float]
) -> Path:
    """The trained network as the package of its training's folder."""
    package = TrainingPaths(folder).package
    save_package(
        package,
        network,
        name=name,
        seed=params.seed,
        training=Training(
            train=params.train.model_dump(mode="json"), start=params.start, data=params.stores
        ),
        metrics=metrics,
    )
    return package


def dose_of(stores: Sequence[ScanStore]) -> dict[str, float]:
    """What other programs must know of the frames: their mean counts. Nothing without frames."""
    data = legacy.measured([store.info for store in stores])
    return {PHOTONS: data.photons} if data else {}


def starting_network(params: TrainParams, pretrained: JsonValue) -> Network:
    """The network a training begins with; `pretrained` is the folder of its package, if any."""
    if params.start is None:
        return new_network(params.model, params.seed)
    return load_package(package_here(str(pretrained))).network.train()


def metrics_of(fitted: Fitted) -> dict[str, float]:
    """Validation errors as numbers rather than logarithms: R held out, or object error."""
    return {
        "validation_before": math.exp(fitted.first_score),
        "validation": math.exp(fitted.kept_score),
        "epochs": float(fitted.epochs),
        "skipped_steps": float(fitted.skipped),
    }
