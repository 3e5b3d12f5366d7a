"""`train`: a new network, or a trained one adapted."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hpc.paths import RunPaths
from ptychopinn_batch.api.progress import Progress, silent
from ptychopinn_batch.api.scan import LoadedScan, check_as_loaded
from ptychopinn_batch.api.spec import NAME, Begin, ModelLike, training_of
from ptychopinn_batch.package import LoadedModel, load_package
from ptychopinn_batch.training.curves import curve
from ptychopinn_batch.training.paths import TrainingPaths


def train(
    scans: LoadedScan | Sequence[LoadedScan] = (),
    model: ModelLike = "default",
    *,
    seed: int = 0,
    name: str = NAME,
    folder: str | Path | None = None,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    **keys: Any,
) -> LoadedModel:
    """Train a new network, or adapt a trained one, which stays as it is.

    keys: as in `train` of a job spec, such as epochs, lr, loss. folder: where the training keeps
    its checkpoints, curves and package; called again, it goes on from there. None: nowhere.
    progress is told of steps.
    """
    from ptychopinn_batch.stages.train import dose_of, metrics_of, publish
    from ptychopinn_batch.training.fit import fit

    scans = (scans,) if isinstance(scans, LoadedScan) else tuple(scans)
    for scan in scans:
        check_as_loaded(scan, "train")
    begin = Begin.of(model, runs)
    spec = begin.spec("train", seed, [scan.source for scan in scans], train=keys)
    facts, run = [scan.facts for scan in scans], RunPaths(Path(runs), NAME)
    planned = training_of(spec, facts, begin.packages, run)
    with _kept(folder, planned.key) as place:
        network, stores = begin.network(spec).train(), [scan.store for scan in scans]
        if spec.train and spec.train.simulated == 1:
            stores = []
        fitted = fit(network, planned.train, stores, seed=seed, folder=place, beat=_beat(progress))
        metrics = {**metrics_of(fitted), **dose_of(stores)}
        trained = load_package(publish(place, name, planned.params, network, metrics))
        return replace(trained, losses=curve(TrainingPaths(place).history, "loss"))


@contextmanager
def _kept(folder: str | Path | None, key: str) -> Iterator[Path]:
    """Where a training keeps its files: below a folder by its key, or nowhere for long."""
    if folder is not None:
        yield Path(folder).expanduser().absolute() / key
        return
    with tempfile.TemporaryDirectory(prefix="ptychopinn-") as temporary:
        yield Path(temporary) / key


def _beat(progress: Progress | None) -> Callable[..., None]:
    """What a training tells, as two numbers."""

    def beat(*, step: int, total: int, **_: float | str) -> None:
        (progress or silent)(step, total)

    return beat
