"""Where the course of a training is recorded besides its own files: TensorBoard, MLflow.

What they are told stands in the history and the pictures as well, which are always written. So a
tracker that fails is told of once and left out; it never fails a training.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hpc.fsio import write_atomic
from ptychopinn_batch.training.paths import TrainingPaths
from ptychopinn_batch.training.trackers import missing_package

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient
    from torch.utils.tensorboard import SummaryWriter

    from ptychopinn_batch.training.callbacks import EpochFigures

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Label:
    """What a training is called elsewhere, and the settings that are shown with it."""

    run: str = "training"
    variant: str = "default"
    settings: Mapping[str, object] = field(default_factory=dict)


class Tracker(Protocol):
    """Epochs are counted from 0, as in the history."""

    def figures(self, figures: EpochFigures) -> None:
        """Record those of an epoch that has ended."""

    def picture(self, path: Path, epoch: int) -> None:
        """Record a PNG file."""

    def close(self, complete: bool) -> None:
        """Write what waits; `complete`: the training has ended and will not go on."""


class TensorBoard:
    """Event files below the training's folder, for `tensorboard --logdir`."""

    def __init__(self, paths: TrainingPaths, label: Label, first_epoch: int) -> None:
        """Epochs from `first_epoch` on, which an earlier attempt may have recorded, are dropped."""
        from torch.utils.tensorboard import SummaryWriter

        folder = paths.tensorboard / label.variant
        self._writer: SummaryWriter = SummaryWriter(str(folder), purge_step=first_epoch)

    def figures(self, figures: EpochFigures) -> None:
        for name, value in measures(figures).items():
            self._writer.add_scalar(name, value, figures.epoch)
        self._writer.flush()

    def picture(self, path: Path, epoch: int) -> None:
        from matplotlib.image import imread

        name = path.stem.partition("-")[0]
        self._writer.add_image(name, imread(path)[..., :3], epoch, dataformats="HWC")

    def close(self, complete: bool) -> None:
        self._writer.close()


class Mlflow:
    """A run of an experiment that is named as the batch run, gone on with after a stop."""

    def __init__(self, paths: TrainingPaths, label: Label, first_epoch: int) -> None:
        # Before its first import: it would tell its makers, and refuse to write plain files.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow.tracking import MlflowClient

        own = paths.mlflow.absolute().as_uri()
        self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or own)
        self._run = self._known(paths.mlflow_run) or self._new(paths.mlflow_run, label)

    def _known(self, file: Path) -> str | None:
        return file.read_text().strip() if file.exists() else None

    def _new(self, file: Path, label: Label) -> str:
        run = str(
            self._client.create_run(
                _experiment(self._client, label.run), run_name=label.variant
            ).info.run_id
        )
        for name, value in label.settings.items():
            self._client.log_param(run, name, value)
        write_atomic(file, run)
        return run

    def figures(self, figures: EpochFigures) -> None:
        for name, value in measures(figures).items():
            self._client.log_metric(self._run, name, value, step=figures.epoch)

    def picture(self, path: Path, epoch: int) -> None:
        self._client.log_artifact(self._run, str(path), "pictures")

    def close(self, complete: bool) -> None:
        if complete:
            self._client.set_terminated(self._run)


def _experiment(client: MlflowClient, name: str) -> str:
    known = client.get_experiment_by_name(name)
    return str(known.experiment_id if known else client.create_experiment(name))


def measures(figures: EpochFigures) -> dict[str, float]:
    """What is drawn over epochs."""
    return {name: float(value) for name, value in asdict(figures).items() if name != "epoch"}


TRACKERS: dict[str, Callable[[TrainingPaths, Label, int], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": Mlflow,
}


class Trackers:
    """Several of them, each until it fails."""

    def __init__(self, names: Sequence[str], paths: TrainingPaths, label: Label) -> None:
        """UserError where the package of one is missing; so it is not found out epochs later."""
        missing = missing_package(names)
        if missing:
            raise missing
        self._names, self._paths, self._label = names, paths, label
        self._open: dict[str, Tracker] = {}

    def start(self, first_epoch: int) -> None:
        """Open them; epochs from this one on have not been recorded, or in vain."""
        for name in self._names:
            try:
                self._open[name] = TRACKERS[name](self._paths, self._label, first_epoch)
            except Exception:
                self._give_up(name)

    def figures(self, figures: EpochFigures) -> None:
        self._each(lambda tracker: tracker.figures(figures))

    def picture(self, path: Path, epoch: int) -> None:
        self._each(lambda tracker: tracker.picture(path, epoch))

    def close(self, complete: bool) -> None:
        self._each(lambda tracker: tracker.close(complete))
        self._open.clear()

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            try:
                tell(tracker)
            except Exception:
                self._open.pop(name)
                self._give_up(name)

    @staticmethod
    def _give_up(name: str) -> None:
        _log.warning("%s records no more of this training", name, exc_info=True)
