"""What came of a run: the figures of every result and where it lies, and what failed and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue, ValidationError

from hpc.ledger import read_state
from hpc.paths import RunPaths
from hpc.status import Row, RunStatus
from hpc.task import Task
from ptychopinn_batch.commands.text import columns, plural, shown_path
from ptychopinn_batch.commands.verdicts import objected
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.stages.params import FinalizeParams, PackageParams
from ptychopinn_batch.verdict.told import Judged, judged

__all__ = ["failures", "results"]

HEAD = ("variant", "scan", "R", "R held out", "phase corr.", "frames/s", "verdict", "files")


def results(run: RunPaths, tasks: Sequence[Task]) -> Iterator[str]:
    """A table of the results that are whole, and the folders of the models."""
    rows = [row for task in tasks if (row := _result(run, task))]
    if rows:
        yield from ("", *columns(HEAD, rows))
    verdicts = [found for task in tasks if (found := _judged(run, task))]
    yield from objected(verdicts)
    models = [folder for task in tasks if (folder := _model(run, task))]
    if models:
        yield from ("", *(f"model: {folder}" for folder in models), "")


def failures(run: RunPaths, status: RunStatus) -> Iterator[str]:
    """What did not succeed: the cause, and the log that says more."""
    for row in status.rows:
        if row.has_failed:
            yield _failure(run, row)
    blocked = status.counts.get("blocked", 0)
    if blocked:
        yield f"blocked behind them: {plural(blocked, 'task')}"


def _result(run: RunPaths, task: Task) -> tuple[str, ...] | None:
    """The line of one result; None where the task is none, or not done."""
    if task.stage != FinalizeParams.stage:
        return None
    state = read_state(run, task.id)
    if state.done_key != task.key:
        return None
    variant, scan = str(task.extras["variant"]), str(task.extras["scan"])
    folder = shown_path(run.result(variant, scan))
    metrics = _metrics(state.result)
    figures = _figures(metrics) if metrics else ("?" for _ in HEAD[2:-1])
    return variant, scan, *figures, folder


def _metrics(result: Mapping[str, JsonValue] | None) -> Metrics | None:
    """What a result's task told; None where another version did."""
    try:
        return Metrics.model_validate_json(json.dumps(result))
    except ValidationError:
        return None


def _judged(run: RunPaths, task: Task) -> Judged | None:
    """What was found of one result that is done."""
    if task.stage != FinalizeParams.stage:
        return None
    state = read_state(run, task.id)
    return judged(task.id, task.stage, state.result) if state.done_key == task.key else None


def _figures(metrics: Metrics) -> tuple[str, ...]:
    return (
        _number(metrics.R, ".5f"),
        _number(metrics.R_held_out, ".5f"),
        _number(metrics.phase_corr, ".4f"),
        _number(metrics.frames_per_s, ".0f"),
        metrics.verdict,
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _model(run: RunPaths, task: Task) -> str | None:
    if task.stage != PackageParams.stage:
        return None
    state = read_state(run, task.id)
    if state.done_key != task.key:
        return None
    learned = learned_by(state.result) if PackageParams.of(task).train else ""
    return shown_path(run.model(str(task.extras["variant"]))) + learned


def learned_by(result: Mapping[str, JsonValue] | None) -> str:
    """What a training did to the validation error, in words; `result` is the package task's."""
    before, after = ((result or {}).get(key) for key in ("validation_before", "validation"))
    if not (isinstance(before, float) and isinstance(after, float)):
        return ""
    skipped = _skipped((result or {}).get("skipped_steps"))
    if before == after:
        return f" (training gained nothing: kept as it was, validation error {before:.5f}{skipped})"
    return f" (validation error {before:.5f} before training, {after:.5f} after{skipped})"


def _skipped(steps: JsonValue) -> str:
    """Steps that were left out because they were not finite, in words."""
    return f"; {steps:.0f} steps were not finite" if isinstance(steps, float) and steps else ""


def _failure(run: RunPaths, row: Row) -> str:
    cause = f": {row.cause}" if row.cause else ""
    log = run.log(row.id)
    hint = f"\n    log: {shown_path(log)}" if log.exists() else ""
    return f"{row.status.replace('_', ' ')}: {row.id}{cause}{hint}"
