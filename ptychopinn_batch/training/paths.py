"""Names of the files of a training. Without torch or lightning: later stages only look them up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainingPaths:
    """Files of one training, below its folder."""

    folder: Path

    @property
    def weights(self) -> Path:
        """The weights that count so far (`GuardedWeights`)."""
        return self.folder / "weights.pth"

    @property
    def history(self) -> Path:
        return self.folder / "metrics.csv"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def loss_curve(self) -> Path:
        return self.pictures / "loss.png"

    def region(self, epoch: int) -> Path:
        """What the network made of the first validated region; epochs are counted from 1."""
        return self.pictures / f"region-{epoch:06d}.png"

    @property
    def tensorboard(self) -> Path:
        return self.folder / "tensorboard"

    @property
    def mlflow(self) -> Path:
        """Where MLflow records, unless MLFLOW_TRACKING_URI says otherwise."""
        return self.folder / "mlruns"

    @property
    def mlflow_run(self) -> Path:
        """The id of the training's run in MLflow."""
        return self.folder / "mlflow.run"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def package(self) -> Path:
        """The weights of a finished training, as a package."""
        return self.folder / "package"
