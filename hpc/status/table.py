"""How a run stands, as one table. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

from pydantic import Field, computed_field

from hpc.ledger import FAILED, UNFINISHED, Status
from hpc.record import Record

__all__ = ["Row", "RunStatus", "StageSummary", "estimate"]


class Row(Record):
    """How one task stands. Durations in seconds; `progress` from 0 to 1."""

    id: str
    stage: str
    status: Status
    attempt: int = 0
    cause: str | None = None
    tail: tuple[str, ...] = ()
    progress: float | None = None
    step: int | None = None
    total: int | None = None
    figures: dict[str, float | str] = Field(default_factory=dict)
    seconds: float | None = None
    eta: float | None = None
    host: str | None = None
    pid: int | None = None
    job: str | None = None
    batch: str | None = None  # that it was handed to a batch system in
    mem_gb: float | None = None  # asked for, on a node
    time_limit: float | None = None  # asked for
    peak_mb: float | None = None  # largest memory on a node so far, in 10^6 bytes

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a result."""
        return self.status in FAILED

    @property
    def memory_share(self) -> float | None:
        """The part of the memory asked for that was used."""
        return _share(self.peak_mb, self.mem_gb and 1000 * self.mem_gb)

    @property
    def time_share(self) -> float | None:
        """The part of the time asked for that is used."""
        return _share(self.seconds, self.time_limit)


class StageSummary(Record):
    """The tasks of one stage, counted by status."""

    stage: str
    counts: dict[str, int]


class RunStatus(Record):
    """How a run stands at one moment; `at` in seconds since 1970."""

    run: str
    at: float
    submitter: str | None  # who is at work on the run right now; None where nobody holds its lock
    rows: tuple[Row, ...]
    submitted: float | None = None  # last time, in seconds since 1970
    changed: float | None = None  # when the last record was written
    trouble: str | None = None  # why a batch system could not be asked: all is as it was recorded

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[str, int]:
        """Number of tasks by status."""
        return _counted(self.rows)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def stages(self) -> tuple[StageSummary, ...]:
        """The stages in plan order."""
        names = dict.fromkeys(row.stage for row in self.rows)
        return tuple(
            StageSummary(stage=name, counts=_counted(r for r in self.rows if r.stage == name))
            for name in names
        )

    @computed_field  # type: ignore[prop-decorator]
    @property
    def eta(self) -> float | None:
        """Seconds until all is over, at the pace so far; None while it cannot be said."""
        return estimate(self.rows)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def progress(self) -> float:
        """The part done, 0 to 1; every task counts the same."""
        return fmean(row.progress or 0.0 for row in self.rows) if self.rows else 1.0

    @property
    def is_over(self) -> bool:
        """Whether nothing is pending or running."""
        return not any(row.status in UNFINISHED for row in self.rows)

    @property
    def is_in_batch(self) -> bool:
        """Whether a batch system has some task that waits or runs."""
        return any(row.batch and row.status in UNFINISHED for row in self.rows)

    @property
    def stands_still(self) -> bool:
        """Whether something is left, and neither a submit nor a batch system has it.

        The next submit goes on with it.
        """
        runs = any(row.status == "running" for row in self.rows)
        return not (self.is_over or self.submitter or self.is_in_batch or runs)

    @property
    def is_done(self) -> bool:
        """Whether every task succeeded."""
        return all(row.status == "done" for row in self.rows)

    def to_json(self) -> str:
        """The whole of it as JSON, for programs."""
        return self.model_dump_json(indent=1)


def estimate(rows: Sequence[Row]) -> float | None:
    """Seconds until all of the rows are over, at the pace so far. Pure.

    The work left, by the mean duration of each stage, shared by as many tasks as run now; None
    while some stage has work left and nothing to judge it by.
    """
    work = 0.0
    for stage in {row.stage for row in rows}:
        members = [row for row in rows if row.stage == stage]
        left = [row for row in members if row.status in UNFINISHED]
        mean = _mean_duration(members)
        if left and mean is None:
            return None
        work += sum(_left_of(row, mean or 0.0) for row in left)
    running = sum(row.status == "running" for row in rows)
    return work / max(running, 1)


def _mean_duration(rows: Iterable[Row]) -> float | None:
    """Of what is done; else of what runs and can tell how long it will take."""
    rows = tuple(rows)
    done = [row.seconds for row in rows if row.status == "done" and row.seconds is not None]
    told = [
        row.seconds + row.eta for row in rows if row.seconds is not None and row.eta is not None
    ]
    durations = done or told
    return fmean(durations) if durations else None


def _left_of(row: Row, mean: float) -> float:
    return row.eta if row.eta is not None else max(0.0, mean - (row.seconds or 0.0))


def _share(used: float | None, asked: float | None) -> float | None:
    return None if used is None or not asked else used / asked


def _counted(rows: Iterable[Row]) -> dict[str, int]:
    return dict(Counter(row.status for row in rows))
