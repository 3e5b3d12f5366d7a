"""What a run has come to, gathered from its folder: results, what they took, what failed.

Reads only, and imports neither torch nor matplotlib.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from pydantic import JsonValue

from hpc.cost import Hours, hours_of, total_hours
from hpc.errors import HpcError
from hpc.fsio import read_json
from hpc.ledger import Status, read_state
from hpc.paths import RunPaths
from hpc.status import Row, RunStatus, read_status
from hpc.submission import PlannedTask, read_plan
from hpc.task import Task
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.report.failures import Failure, failure_of
from ptychopinn_batch.report.record import ResultReport
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.results.records import Made, provenance_in, read_record
from ptychopinn_batch.speclang.variants import point_name, points
from ptychopinn_batch.stages.params import FinalizeParams
from ptychopinn_batch.verdict.findings import faults_in
from ptychopinn_batch.verdict.told import CHECK, Judged, judged_rows

__all__ = ["Entry", "RunReport", "StageUse", "collect"]

Point = Mapping[str, JsonValue]


@dataclass(frozen=True)
class StageUse:
    """What the tasks of one stage took for a result, and what they had asked for.

    seconds: added up; peak_gb: the largest; limit and asked_gb: of one task.
    """

    stage: str
    tasks: int
    seconds: float
    limit: float | None
    peak_gb: float | None
    asked_gb: float | None


@dataclass(frozen=True)
class Entry:
    """A scan of a variant: as far as it has come, and how good it is once it is done."""

    variant: str
    scan: str
    task: str
    status: Status
    folder: str  # of the result, relative to that of the run, as it stands in a link
    cause: str | None = None
    metrics: Metrics | None = None
    report: ResultReport | None = None
    network: str = ""
    made: Made | None = None
    stages: tuple[StageUse, ...] = ()
    hours: Hours | None = None
    command: str = ""

    @property
    def verdict(self) -> str:
        """The judgement on the result; before there is one, how its task stands."""
        return self.metrics.verdict if self.metrics else self.status.replace("_", " ")

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with it, in a word or two each."""
        return faults_in(self.metrics.findings) if self.metrics else ()

    @property
    def resolution_m(self) -> float | None:
        """Half a period where objects from every other frame each agree no more."""
        evidence = self.metrics.evidence if self.metrics else None
        return evidence.halves.resolution_m if evidence and evidence.halves else None

    @property
    def seconds(self) -> float | None:
        """Of all tasks that had a part in it."""
        return sum(use.seconds for use in self.stages) if self.metrics and self.stages else None


@dataclass(frozen=True)
class RunReport:
    """A run at one moment.

    points: the overrides of each variant of a sweep; doubts: checks of scans that found something.
    """

    run: str
    folder: Path
    status: RunStatus
    entries: tuple[Entry, ...]
    failures: tuple[Failure, ...]
    points: Mapping[str, Point] = field(default_factory=dict)
    doubts: tuple[Judged, ...] = ()

    @property
    def blocked(self) -> int:
        """How many tasks cannot run because others failed."""
        return self.status.counts.get("blocked", 0)


def collect(run: RunPaths, status: RunStatus | None = None) -> RunReport:
    """All that is known of a run. UserError where it was never submitted."""
    status = status or read_status(run)
    known = _Known(run, {task.id: task for task in read_plan(run).tasks}, status)
    return RunReport(
        run=run.name,
        folder=run.folder,
        status=status,
        entries=tuple(known.entries()),
        failures=tuple(failure_of(run, row) for row in status.rows if row.has_failed),
        points=known.points,
        doubts=tuple(_doubts(run, status)),
    )


def _doubts(run: RunPaths, status: RunStatus) -> Iterator[Judged]:
    checks = (row for row in status.rows if row.stage == CHECK)
    for found in judged_rows(checks, lambda task: read_state(run, task).result):
        if found.is_objected_to:
            yield found


class _Known:
    """A run's plan, how its tasks stand, and the points of its sweep."""

    def __init__(self, run: RunPaths, plan: Mapping[str, PlannedTask], status: RunStatus) -> None:
        self.run, self.plan = run, plan
        self.places = {name: place for place, name in enumerate(plan)}
        self.rows = {row.id: row for row in status.rows}
        self.points = _points(run)

    def entries(self) -> Iterator[Entry]:
        """A line for every result that is planned."""
        for planned in self.plan.values():
            if planned.stage == FinalizeParams.stage and planned.id in self.rows:
                with suppress(HpcError):  # its file is gone: nothing tells which scan it was of
                    yield self._entry(planned, read_json(self.run.task(planned.id), Task))

    def _entry(self, planned: PlannedTask, task: Task) -> Entry:
        paths, row = ResultPaths.of(self.run, task), self.rows[task.id]
        report = read_record(paths.report, ResultReport)
        # The last to finish writes the report before its end is recorded.
        fresh = report is not None and report.key == planned.key and paths.metrics.exists()
        entry = Entry(
            variant=str(task.extras["variant"]),
            scan=str(task.extras["scan"]),
            task=task.id,
            status="done" if fresh else row.status,
            folder=quote(paths.folder.relative_to(self.run.folder).as_posix()),
            cause=None if fresh else row.cause,
        )
        if entry.status != "done":
            return entry
        return self._finished(entry, paths, report if fresh else None)

    def _finished(self, entry: Entry, paths: ResultPaths, report: ResultReport | None) -> Entry:
        known = provenance_in(paths.provenance)
        used = [self.rows[name] for name in self._needed(entry.task) if name in self.rows]
        return replace(
            entry,
            metrics=read_record(paths.metrics, Metrics),
            report=report,
            network=known.network,
            made=known.provenance,
            stages=tuple(_uses(used)),
            hours=self._hours(used),
            command=self._command(entry.variant),
        )

    def _needed(self, task: str) -> list[str]:
        """A task and all that it needs, directly or not, in the order of the plan."""
        waiting, found = [task], {task}
        while waiting:
            needs = self.plan[waiting.pop()].needs
            waiting += [name for name in needs if name not in found and name in self.plan]
            found.update(needs)
        return sorted(found & self.places.keys(), key=self.places.__getitem__)

    def _hours(self, used: Sequence[Row]) -> Hours | None:
        costs = [
            hours_of(resources, row.seconds)
            for row in used
            if row.seconds is not None and (resources := self.plan[row.id].resources) is not None
        ]
        return total_hours(costs) if costs else None

    def _command(self, variant: str) -> str:
        """What makes the same results of this variant again, in a folder of their own."""
        point = self.points.get(variant, {})
        sets = [f"{key}={json.dumps(value)}" for key, value in point.items()]
        if point:
            sets.insert(0, "sweep=null")
        options = [word for one in sets for word in ("--set", one)]
        spec = ["submit", str(self.run.resolved), "--profile", "none", "--runs", "repeated"]
        return shlex.join(["ptychopinn-batch", *spec, *options])


def _points(run: RunPaths) -> dict[str, Point]:
    """The overrides of each variant; none without a sweep, or where the spec cannot be read."""
    spec = read_record(run.resolved, JobSpec)
    if spec is None or spec.sweep is None:
        return {}
    return {point_name(point): point for point in points(spec.sweep)}


def _uses(rows: Sequence[Row]) -> Iterator[StageUse]:
    for stage in dict.fromkeys(row.stage for row in rows):
        members = [row for row in rows if row.stage == stage]
        yield StageUse(
            stage=stage,
            tasks=len(members),
            seconds=sum(row.seconds or 0.0 for row in members),
            limit=_most(row.time_limit for row in members),
            peak_gb=_most(row.peak_mb and row.peak_mb / 1000 for row in members),
            asked_gb=_most(row.mem_gb for row in members),
        )


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
