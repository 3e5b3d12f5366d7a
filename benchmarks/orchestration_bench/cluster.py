"""What thousands of tasks cost on a real SLURM beside their work: submitting, asking, running.

Every task does nothing; the last one needs all others.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from hpc.executors.slurm import SlurmExecutor
from hpc.ledger import read_states
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.slurm.profile import Profile
from hpc.slurm.status import ClusterReader
from hpc.task import Task, make_task

T = TypeVar("T")
ARRAY_SIZE = 1001


def tasks(count: int) -> list[Task]:
    """So many that need nothing, and one that needs them all."""
    resources = Resources(time=timedelta(minutes=5), mem_gb=0.2, cpus=1, gpus=0)

    def task(name: str, stage: str, needs: list[Task]) -> Task:
        return make_task(
            id=name,
            stage=stage,
            entry="no_op:nothing",
            revision=1,
            params={},
            needs=needs,
            resources=resources,
        )

    many = [task(f"t{i:05d}", "many", []) for i in range(count)]
    return [*many, task("last", "end", many)]


def timed(what: str, work: Callable[[], T]) -> T:
    """Do it, and print how long it took."""
    began = time.perf_counter()
    result = work()
    print(f"{what:<40} {time.perf_counter() - began:8.2f} s", flush=True)
    return result


def wait(reader: ClusterReader) -> None:
    while not reader.read().is_over:
        time.sleep(5)


def measure(count: int) -> None:
    """Submit, wait, submit again; print what each took."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])  # where jobs find the work
    with tempfile.TemporaryDirectory() as folder:
        run, work = RunPaths(Path(folder), "many"), tasks(count)
        executor = SlurmExecutor(Profile(version=1, array_size=ARRAY_SIZE))
        handle = timed(f"submit {count + 1} tasks", lambda: executor.submit(run, work))
        print(f"arrays: {len(handle.wave.jobs) - 1}, and the steward")
        reader = ClusterReader(run)
        timed("status while they are queued", reader.read)
        timed("submit again: all under way", lambda: executor.submit(run, work))
        timed("until all are over", lambda: wait(reader))
        timed("submit again: all done", lambda: executor.submit(run, work))
        states = read_states(run, [task.id for task in work])
        print(f"states: {dict(Counter(state.status for state in states.values()))}")
        print(f"attempts: {dict(Counter(state.attempt for state in states.values()))}")
