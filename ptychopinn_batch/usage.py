"""What a run took: seconds by stage and the largest memory, from the ledgers of its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hpc.fsio import read_json
from hpc.ledger import TaskState, read_state
from hpc.memory import peak_mb
from hpc.paths import RunPaths
from hpc.record import Record
from hpc.task import Task

PEAK = "peak_rss_mb"


class Usage(Record):
    """seconds: by stage, the last attempts of its tasks added up; peak_rss_mb: of any task."""

    seconds: dict[str, float]
    peak_rss_mb: float

    def frames_per_s(self, frames: int) -> float | None:
        """Frames over the seconds from file to written array; None where these are not known."""
        if not {"prepare", "infer"} <= self.seconds.keys():
            return None
        seconds = sum(self.seconds.get(stage, 0.0) for stage in ("prepare", "refine", "infer"))
        return frames / seconds if seconds > 0 else None


def usage_of(run: RunPaths, task: Task, own_seconds: float) -> Usage:
    """What this task and all that it needed took; `own_seconds` is what it took so far."""
    seconds = {task.stage: own_seconds}
    peaks = [peak_mb()]
    for needed in _needed(run, task):
        state = read_state(run, needed.id)
        if state.status == "done" and state.seconds is not None:
            seconds[needed.stage] = seconds.get(needed.stage, 0.0) + state.seconds
        peaks += _peak(state)
    return Usage(seconds=seconds, peak_rss_mb=max(peaks))


def _needed(run: RunPaths, task: Task) -> Iterator[Task]:
    """Every task that this one needs, directly or not, once."""
    waiting, known = list(task.needs), set(task.needs)
    while waiting:
        found = read_json(Path(run.task(waiting.pop())), Task)
        yield found
        new = set(found.needs) - known
        known |= new
        waiting += new


def _peak(state: TaskState) -> list[float]:
    value = (state.result or {}).get(PEAK)
    return [float(value)] if isinstance(value, int | float) else []
