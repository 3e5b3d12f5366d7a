"""Tasks run in the process that submits them: no new interpreter, no new imports for each.

As a program it is `ptychopinn-batch` that does so.
"""

from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

from hpc.executors import local
from hpc.executors.watch import Child
from hpc.paths import RunPaths
from hpc.worker import run_task


class Here(Child):
    """A worker that has done its task when it is started."""

    @classmethod
    def start(cls, task, command, log, environment, gpus=()):
        root, name = (command[command.index(option) + 1] for option in ("--runs", "--run"))
        with log.open("a") as output, redirect_stdout(output), redirect_stderr(output):
            run_task(RunPaths(Path(root), name), task.id)
        return cls(task, SimpleNamespace(pid=0), gpus)

    def is_gone(self):
        return True

    def reap(self):
        return 0


if __name__ == "__main__":
    from ptychopinn_batch.cli import main

    local.Child = Here
    main()
