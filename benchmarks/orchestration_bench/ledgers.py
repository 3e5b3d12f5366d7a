"""Ledgers as they are when most of a run is over: its records, without its work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hpc.ledger import Ended, Entry, Started
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.submission import PlannedTask, read_plan
from hpc.task import Task

RUNNING = 8
FAILED_EVERY = 100  # tasks
RESULT = {"tiles": 4, "frames": 10_000, "seconds": 12.5, "peak_rss_mb": 900.0}


def fill(run: RunPaths) -> None:
    """Some of the last tasks run, every hundredth has failed, the others are done."""
    tasks = read_plan(run).tasks
    for number, task in enumerate(tasks):
        running = number >= len(tasks) - RUNNING
        write(run.ledger(task.id), records(task, number, running=running))
    make_outputs(run, [task for task in tasks if task.stage != "finalize"])


def records(task: PlannedTask, number: int, *, running: bool) -> Iterator[Entry]:
    yield Started(attempt=1, key=task.key, process=Process.current())
    if running:
        return
    if number % FAILED_EVERY == FAILED_EVERY - 1:
        yield Ended(attempt=1, outcome="failed", cause="ValueError: no", error="ValueError")
    else:
        yield Ended(attempt=1, outcome="done", result=RESULT, peak_mb=910.0)


def write(path: Path, entries: Iterator[Entry]) -> None:
    """Without a sync for every record: nothing is to be kept."""
    lines = [f"{entry.model_dump_json(exclude_none=True)}\n" for entry in entries]
    path.write_text("".join(lines))


def make_outputs(run: RunPaths, tasks: Sequence[PlannedTask]) -> None:
    """Empty files in place of what tasks leave, so that a plan finds it."""
    for task in tasks:
        for output in Task.model_validate_json(run.task(task.id).read_bytes()).outputs:
            path = run.root / output
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
