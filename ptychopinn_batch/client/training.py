"""Trains through ptychopinn-batch: which files of a folder are data, and how losses are told."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptychodus.api.io import StandardFileLayout
from ptychodus.api.product import LossValue
from ptychodus.api.reconstruct import TrainOutput

SUFFIXES = (".npz", ".h5", ".hdf5")
OTHER = re.compile(r"(product(\.\d+)?|diffraction|fluorescence)\.(h5|npz)")


def training_scans(folder: Path) -> list[dict[str, str]]:
    """The scans of a job spec: every training file of a folder, else the standard folder itself."""
    files = sorted(p for p in folder.iterdir() if is_training_data(p))
    standard = (StandardFileLayout.DIFFRACTION, StandardFileLayout.PRODUCT)
    if not files and all((folder / name).is_file() for name in standard):
        files = [folder]
    if not files:
        raise FileNotFoundError(
            f"{folder} has no training data: export some into it from Ptychodus (Export Training "
            f"Data), or put {' and '.join(standard)} there"
        )
    return [{"name": f"scan-{n}", "path": str(p.absolute())} for n, p in enumerate(files)]


def is_training_data(path: Path) -> bool:
    """Whether it is one by its name: not one of the standard files."""
    return path.suffix in SUFFIXES and OTHER.fullmatch(path.name) is None


def training_spec(folder: Path, network: str, epochs: int) -> dict[str, Any]:
    """A job spec that trains on a folder; a look at the scans is all that it reconstructs."""
    return {
        "scans": training_scans(folder),
        "model": {"pretrained": network},
        "train": {"epochs": epochs},
        "infer": {"steps": 1},
        "export": [],
    }


@dataclass
class Progress:
    """Losses of a training that goes on in `run`: told once for every epoch."""

    run: Path
    told: int = 0

    def news(self) -> Iterator[TrainOutput]:
        """All losses so far, if an epoch has ended since the last look."""
        rows = self._rows()
        if len(rows) > self.told:
            self.told = len(rows)
            yield train_output(rows)

    def _rows(self) -> Sequence[Mapping[str, str]]:
        for history in (self.run / "training").glob("*/metrics.csv"):
            with history.open(newline="") as file:
                return list(csv.DictReader(file))
        return ()


def train_output(rows: Sequence[Mapping[str, str]]) -> TrainOutput:
    """What Ptychodus is told of epochs, which it counts from 0 as we do."""
    return TrainOutput(
        training_loss=losses(rows, "loss"),
        validation_loss=losses(rows, "validation"),
        progress=len(rows),
    )


def losses(rows: Sequence[Mapping[str, str]], column: str) -> list[LossValue]:
    """One column; an epoch without a finite loss is left out."""
    found = [(int(row["epoch"]), float(row[column] or "nan")) for row in rows]
    return [LossValue(epoch, value) for epoch, value in found if math.isfinite(value)]
