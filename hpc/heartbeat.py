"""How far a running task has come: one small file per task, replaced as it goes.

Advisory only: the ledger owns the truth, so a heartbeat that cannot be written or read is none.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from hpc.fsio import write_atomic
from hpc.memory import peak_mb
from hpc.record import Record

__all__ = ["Heartbeat", "HeartbeatWriter", "read_heartbeat"]

# Seconds between two writes: twice a second is live to the eye and kind to a shared file system.
INTERVAL = 0.5

_log = logging.getLogger(__name__)


class Heartbeat(Record):
    """Progress of one attempt: `step` of `total`, and figures such as loss or frames per second."""

    attempt: int
    at: float  # seconds since 1970
    step: int = Field(ge=0)
    total: int = Field(ge=0)
    first_step: int  # where this attempt began to count: after a resume not at 0
    first_at: float
    figures: dict[str, float | str] = Field(default_factory=dict)
    peak_mb: float | None = None  # largest resident memory so far, in 10^6 bytes

    @property
    def progress(self) -> float | None:
        """The part done, 0 to 1."""
        return min(self.step / self.total, 1.0) if self.total else None

    def remaining(self, now: float) -> float | None:
        """Seconds left at the mean pace of this attempt; None until it has made a step."""
        steps, seconds = self.step - self.first_step, self.at - self.first_at
        if steps <= 0 or seconds <= 0:
            return None
        return max(0.0, (self.total - self.step) * seconds / steps - (now - self.at))


class HeartbeatWriter:
    """Writes the heartbeats of one attempt, at most one per INTERVAL; `flush` writes the last."""

    def __init__(self, path: Path, attempt: int, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._attempt = attempt
        self._clock = clock
        self._first: tuple[int, float] | None = None
        self._written = -math.inf
        self._waiting: Heartbeat | None = None

    def beat(self, step: int, total: int, figures: Mapping[str, float | str]) -> None:
        """Note the state now; it is written when the last write is long enough ago."""
        now = self._clock()
        self._first = self._first or (step, now)
        self._waiting = Heartbeat(
            attempt=self._attempt,
            at=now,
            step=step,
            total=total,
            first_step=self._first[0],
            first_at=self._first[1],
            figures={name: _plain(value) for name, value in figures.items()},
            peak_mb=peak_mb(),
        )
        if abs(now - self._written) >= INTERVAL:  # abs: a clock may be set back
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet. A heartbeat never fails its task."""
        if self._waiting is None:
            return
        self._written = self._waiting.at
        text, self._waiting = self._waiting.model_dump_json(), None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path, text, durable=False)
        except OSError as error:
            _log.warning("no heartbeat could be written: %s", error)


def read_heartbeat(path: Path) -> Heartbeat | None:
    """The last heartbeat, None where there is none that can be read."""
    try:
        return Heartbeat.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _plain(value: float | str) -> float | str:
    """A figure as JSON can hold it: numbers of any library as float, NaN and infinity as text."""
    if isinstance(value, str):
        return value
    number = float(value)
    return number if math.isfinite(number) else str(number)
