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
        """The best weights so far."""
        return self.folder / "weights.pth"

    @property
    def history(self) -> Path:
        return self.folder / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def package(self) -> Path:
        """The best weights of a finished training, as a package."""
        return self.folder / "package"
