"""Curves of a training, as its metrics.csv has them. Without torch."""

from __future__ import annotations

import csv
import math
from pathlib import Path

Points = tuple[tuple[int, float], ...]


def curve(history: Path, column: str) -> Points:
    """Epoch and figure, where it is finite; empty without a file."""
    if not history.exists():
        return ()
    with history.open(newline="") as file:
        rows = [(int(row["epoch"]), float(row[column])) for row in csv.DictReader(file)]
    return tuple((epoch, value) for epoch, value in rows if math.isfinite(value))
