"""The train stage: one network on the scans of its variant, on simulations, or on both."""

from __future__ import annotations

import math
from pathlib import Path

from pydantic import JsonValue

from hpc.context import Requeue, TaskContext
from ptychopinn_batch import legacy
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.networks.registry import new_network
from ptychopinn_batch.package import Training, load_package, save_package
from ptychopinn_batch.stages.params import TrainParams
from ptychopinn_batch.training.fit import Fitted, fit
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.usage import PEAK, peak_rss_mb


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Train, and leave the weights as a package where later stages look for the task's key."""
    params = TrainParams.of(context.task)
    stores = [ScanStore.open(context.run.store(store)) for store in params.stores]
    legacy.enter_training(context, params, [store.info for store in stores])
    network = starting_network(params, context.task.extras.get("pretrained"))
    folder = context.run.training(context.task.key)
    fitted = fit(
        network,
        TrainParams.train_of(context.task),
        stores,
        seed=params.seed,
        folder=folder,
        beat=context.heartbeat,
        should_stop=context.should_stop,
    )
    if not fitted.complete:
        raise Requeue("asked to stop; goes on from its last checkpoint")
    metrics = _metrics(fitted)
    save_package(
        TrainingPaths(folder).package,
        network,
        name=str(context.task.extras.get("variant", context.run.name)),
        seed=params.seed,
        training=Training(train=params.train, start=params.start, data=params.stores),
        metrics=metrics,
    )
    return {**metrics, PEAK: peak_rss_mb()}


def starting_network(params: TrainParams, pretrained: JsonValue) -> Network:
    """The network a training begins with; `pretrained` is the folder of its package, if any."""
    if params.start is None:
        return new_network(params.model, params.seed)
    return load_package(Path(str(pretrained))).network.train()


def _metrics(fitted: Fitted) -> dict[str, float]:
    """Validation errors as numbers rather than logarithms: R held out, or object error."""
    return {
        "validation_before": math.exp(fitted.first_score),
        "validation": math.exp(fitted.kept_score),
        "epochs": float(fitted.epochs),
        "skipped_steps": float(fitted.skipped),
    }
