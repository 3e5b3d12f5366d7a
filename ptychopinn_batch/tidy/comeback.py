"""Whether a store could be made again: what it was made of must still be there, and unchanged."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from hpc.errors import HpcError
from hpc.task import Task
from ptychopinn_batch.inputs.known import Inputs
from ptychopinn_batch.stages.params import PrepareParams, RefineParams
from ptychopinn_batch.tidy.runs import KnownRun

__all__ = ["lacking"]


def lacking(run: KnownRun, name: str, inputs: Inputs) -> str | None:
    """What a task lacks to be done again; None where it lacks nothing."""
    task = run.task(name)
    if task is None:
        return f"the file of task {name} is gone"
    try:
        return _lacking(run, task, inputs)
    except ValidationError:
        return f"task {name} was planned by another version"


def _lacking(run: KnownRun, task: Task, inputs: Inputs) -> str | None:
    if task.stage == PrepareParams.stage:
        return _lost_input(PrepareParams.of(task), task, inputs)
    if task.stage == RefineParams.stage:
        return _lost_network(task) or _first(run, task, inputs)
    if all((run.paths.root / output).exists() for output in task.outputs):
        return None
    return f"{task.stage} would have to be done again"


def _first(run: KnownRun, task: Task, inputs: Inputs) -> str | None:
    """What the first of its needs lacks that lacks something."""
    reasons = (lacking(run, need, inputs) for need in task.needs)
    return next((reason for reason in reasons if reason), None)


def _lost_network(task: Task) -> str | None:
    folder = task.extras.get("package")
    if folder is None or Path(str(folder)).is_dir():
        return None
    return f"its network {folder} is gone"


def _lost_input(params: PrepareParams, task: Task, inputs: Inputs) -> str | None:
    """Whether a scan's files are not what they were; a simulation needs none."""
    if params.input is None:
        return None
    path = str(task.extras.get("path"))
    try:
        same = inputs.are_still(params.scan_of(task), params.input)
    except (HpcError, OSError):
        return f"{path} cannot be read any more: this may be the last copy of its frames"
    if same:
        return None
    return f"{path} was changed: this may be the last copy of what it was"
