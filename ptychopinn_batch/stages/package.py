"""The package stage: the network of a variant as a folder that others can load."""

from __future__ import annotations

from pydantic import JsonValue

from hpc.context import TaskContext
from hpc.errors import StateError
from ptychopinn_batch import legacy
from ptychopinn_batch.package import (
    Manifest,
    Registry,
    Training,
    add_formats,
    copy_package,
    package_here,
    package_identity,
    save_package,
)
from ptychopinn_batch.stages.params import PRETRAINED, UNTRAINED, PackageParams
from ptychopinn_batch.training.paths import TrainingPaths


def run(context: TaskContext) -> dict[str, JsonValue]:
    """Publish the network, keep it for all runs, and return what its manifest says of it."""
    params = PackageParams.of(context.task)
    legacy.enter_package(context, params)
    manifest = publish(context, params)
    folder = context.run.model(str(context.task.extras["variant"]))
    if params.export:
        manifest = add_formats(folder, params.export)
    Registry(context.run.models).add(folder)
    return {"identity": manifest.identity, **manifest.metrics}


def publish(context: TaskContext, params: PackageParams) -> Manifest:
    """The package in its place: a copy of the one the network came from, or was trained into."""
    variant, extras = str(context.task.extras["variant"]), context.task.extras
    folder = context.run.model(variant)
    if params.network.startswith(UNTRAINED):
        from ptychopinn_batch.stages.infer import network_of  # torch: a copy does without

        return save_package(
            folder,
            network_of(context, params.network),
            name=variant,
            seed=int(str(extras["seed"])),
            training=Training(train=None, start=None, data=()),
            metrics={},
        )
    if not params.network.startswith(PRETRAINED):
        return copy_package(TrainingPaths(context.run.training(params.network)).package, folder)
    source = package_here(str(extras["package"]))
    if package_identity(source) != params.network.removeprefix(PRETRAINED):
        what = "this package is not the one the run was planned with"
        raise StateError(what, where=str(source), mend="Submit the run again")
    return copy_package(source, folder)
