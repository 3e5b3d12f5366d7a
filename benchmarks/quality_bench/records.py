"""What the bench has measured so far: JSON lines, so that an interrupted bench goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hpc.fsio import append_line, read_lines
from hpc.record import Record

from .measures import Figures


class Row(Record):
    """One method on one scan.

    key: hash of what decides the figures; method: as on the command line; budget: of an engine,
    times the seconds of the method that sets the pace; steps: of a network, or an engine's sweeps
    over all frames; seconds: of the reconstruction; trained_s: of a training for this scan;
    peak_mb: None if unknown; right: see `scenes.Scene`.
    """

    key: str
    scene: str
    about: str
    right: bool
    seed: int
    method: str
    budget: float | None
    frames: int
    n: int
    steps: int
    seconds: float
    trained_s: float
    peak_mb: float | None
    figures: Figures

    @property
    def label(self) -> str:
        """The method, with its budget."""
        return self.method if self.budget is None else f"{self.method} {self.budget:g}x"


class Records:
    """The rows in a file, each appended when it is known; the last of a key counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = read_lines(path) if path.exists() else []
        rows = (Row.model_validate_json(line) for line in lines)
        self._rows = {row.key: row for row in rows}

    def get(self, key: str) -> Row | None:
        return self._rows.get(key)

    def add(self, row: Row) -> None:
        append_line(self.path, row.model_dump_json())
        self._rows[row.key] = row

    def of(self, keys: Iterable[str]) -> Sequence[Row]:
        """Those of these keys that are known, in that order."""
        return [self._rows[key] for key in keys if key in self._rows]
