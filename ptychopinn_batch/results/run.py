"""The results of a run by their names, and how far each has come. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from hpc.errors import HpcError
from hpc.fsio import read_json
from hpc.paths import RunPaths
from hpc.status import Row, read_status
from hpc.task import Task
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.results.paths import ResultPaths
from ptychopinn_batch.results.records import Program, provenance_in, read_record
from ptychopinn_batch.stages.params import FinalizeParams

__all__ = ["RunResult", "results_of"]


@dataclass(frozen=True)
class RunResult:
    """One scan of one variant of a run; `row` is how the task stands that finishes it."""

    run: RunPaths
    variant: str
    scan: str
    row: Row

    @property
    def name(self) -> str:
        """What it is called on the command line."""
        return f"{self.run.name}/{self.variant}/{self.scan}"

    @property
    def files(self) -> ResultPaths:
        return ResultPaths(self.run.result(self.variant, self.scan))

    @property
    def metrics(self) -> Metrics | None:
        """Its figures; None before it is done, or where another version wrote them."""
        return read_record(self.files.metrics, Metrics) if self.row.status == "done" else None

    @property
    def program(self) -> Program:
        """What it was made with."""
        made = provenance_in(self.files.provenance).provenance
        return Program.model_validate(made.model_dump())

    @property
    def standing(self) -> str:
        """How far it has come, in words."""
        status = self.row.status.replace("_", " ")
        if self.row.status != "done":
            return f"{status}: {self.row.cause}" if self.row.cause else status
        return "done" if self.metrics else "done, but its figures are gone or of another version"


def results_of(run: RunPaths) -> tuple[RunResult, ...]:
    """Every result that is planned, in the order of the plan. UserError where there is no plan."""
    return tuple(_results(run))


def _results(run: RunPaths) -> Iterator[RunResult]:
    for row in read_status(run).rows:
        if row.stage == FinalizeParams.stage:
            with suppress(HpcError):  # its file is gone: nothing tells which scan it was of
                task = read_json(run.task(row.id), Task)
                yield RunResult(run, str(task.extras["variant"]), str(task.extras["scan"]), row)
