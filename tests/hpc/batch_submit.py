"""A submitting process of its own, for tests that kill it: RUNS NAME, and the tasks on stdin."""

import sys
from pathlib import Path

from pydantic import TypeAdapter

from hpc.executors.local import LocalExecutor
from hpc.executors.room import Room
from hpc.paths import RunPaths
from hpc.task import Task

if __name__ == "__main__":
    tasks = TypeAdapter(list[Task]).validate_json(sys.stdin.read())
    executor = LocalExecutor(room=Room(tasks=2), grace=1.0)
    with executor.submit(RunPaths(Path(sys.argv[1]), sys.argv[2]), tasks) as handle:
        handle.wait(0.02)
