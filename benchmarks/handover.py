"""What `submit` does until the first worker would be started: `handover.py SPEC RUNS`.

Plan, tasks, settings and spec are on disk then, as the executor on this machine leaves them.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from ptychopinn_batch.cli import COLLECT
from ptychopinn_batch.commands.job import read_job
from ptychopinn_batch.commands.work import executor_of
from ptychopinn_batch.runfolder import write_spec


def main(spec: str, runs: str) -> None:
    gc.set_threshold(*COLLECT)
    job = read_job(Path(spec), Path(runs), (), None, "local")
    handle = executor_of(job.settings()).submit(job.run, job.tasks)
    write_spec(job.run, job.loaded)
    job.inputs.save()
    handle.close()
    print(job.run.folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
