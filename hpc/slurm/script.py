"""The text that sbatch is given, made by submitit from a task's resources and a cluster's options.

Of submitit the executor is used, that is its parameters, its checks and its script. What the jobs
run is our own worker, so that nothing is pickled: a task is JSON, and its end a record.
"""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from submitit.slurm.slurm import SlurmExecutor

from hpc.container import python_inside
from hpc.executors.base import python_options
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.slurm.arrays import Shape
from hpc.slurm.profile import Mail, Options, Profile

__all__ = ["interpreter", "job_name", "steward_script", "task_script"]

LONGEST_NAME = 40  # characters of a run's name that go into the name of a job

Dependency = Sequence[str]


def job_name(run: RunPaths, stage: str, token: str) -> str:
    """What squeue shows, and what a batch is found by."""
    return f"{run.name[:LONGEST_NAME]}.{stage}.{token}"


def task_script(
    run: RunPaths,
    profile: Profile,
    *,
    stage: str,
    token: str,
    shape: Shape,
    count: int,
    parallel: int,
    after: Dependency = (),
) -> str:
    """The script of an array of `count` tasks that waits for the jobs in `after` to be over."""
    options = profile.options(stage)
    parameters = {
        **_common(run, profile, options, stage, token, shape.resources, after),
        "exclude": ",".join(shape.shunned) or None,
        "array_parallelism": parallel,
        # A rank that fails must not leave the others waiting for it until the time is up.
        # CPUs are said again: since 22.05 srun does not take them from sbatch.
        "srun_args": ["--kill-on-bad-exit=1", f"--cpus-per-task={shape.resources.cpus}"],
    }
    return _script(run, parameters, _worker(profile, options, run, token), count)


def steward_script(
    run: RunPaths, profile: Profile, *, token: str, resources: Resources, after: Dependency
) -> str:
    """The script of the job that looks after a wave of arrays when all of them are over."""
    options = profile.options("finalize")
    parameters = _common(run, profile, options, "steward", token, resources, after)
    if profile.mail is not None:
        parameters |= _mail(profile.mail)
    words = (
        *interpreter(profile, options, run.root),
        "-m",
        "hpc.slurm.steward",
        "--runs",
        str(run.root),
        "--run",
        run.name,
    )
    return _script(run, parameters, shlex.join(words), None)


class _Scripts(SlurmExecutor):
    """submitit's executor as far as its scripts go; no SLURM is needed for that."""

    def __init__(self, folder: Path, **parameters: Any) -> None:
        super().__init__(folder)
        self.update_parameters(**parameters)

    def text(self, command: str, count: int | None) -> str:
        """The script that runs the command; as an array of `count`, also where that is 1."""
        if count is not None:
            self.parameters["map_count"] = count
        return self._make_submission_file_text(command, uid="")

    @classmethod
    def affinity(cls) -> Literal[2]:
        return 2  # a plan shows scripts on machines without SLURM too


def _script(run: RunPaths, parameters: dict[str, Any], command: str, count: int | None) -> str:
    folder = Path(str(run.slurm_log_folder).replace("%", "%%"))  # SLURM takes % for a pattern
    return _Scripts(folder, **parameters).text(command, count)


def _common(
    run: RunPaths,
    profile: Profile,
    options: Options,
    stage: str,
    token: str,
    resources: Resources,
    after: Dependency,
) -> dict[str, Any]:
    return {
        "job_name": job_name(run, stage, token),
        "partition": options.partition,
        "account": options.account,
        "qos": options.qos,
        "constraint": options.constraint,
        "time": math.ceil(resources.time.total_seconds() / 60),
        "nodes": resources.nodes,
        "ntasks_per_node": resources.tasks_per_node,
        "cpus_per_task": resources.cpus,
        "gpus_per_node": _gpus(resources.gpus, options.gpu_type),
        "mem": f"{math.ceil(resources.mem_gb * 1e9 / 2**20)}M",
        "signal_delay_s": profile.signal_s,
        "dependency": f"afterany:{':'.join(after)}" if after else None,
        "stderr_to_stdout": True,
        "wckey": None,
        "setup": _checked(options.setup),
        "additional_parameters": _additional(options),
    }


def _gpus(count: int, kind: str | None) -> int | str | None:
    if not count:
        return None
    return f"{kind}:{count}" if kind else count


def _checked(setup: Sequence[str]) -> list[str] | None:
    """Lines of shell of which none may fail: a task without its module would run with another one.

    By a trap rather than `set -e`, which modules' own functions do not survive.
    """
    if not setup:
        return None
    complain = 'echo "setup failed: $BASH_COMMAND" >&2; exit 1'
    return [f"trap {shlex.quote(complain)} ERR", *setup, "trap - ERR"]


def _additional(options: Options) -> dict[str, Any]:
    ours = {"requeue": True, "reservation": options.reservation}
    given = {key: value for key, value in options.sbatch.items() if value is not False}
    return {key: value for key, value in {**ours, **given}.items() if value is not None}


def _mail(mail: Mail) -> dict[str, Any]:
    return {"mail_user": mail.user, "mail_type": ",".join(mail.on)}


def _worker(profile: Profile, options: Options, run: RunPaths, token: str) -> str:
    python = interpreter(profile, options, run.root)
    where = ("--runs", str(run.root), "--run", run.name, "--batch", token)
    return shlex.join((*python, "-u", "-m", "hpc.slurm.worker", *where))


def interpreter(profile: Profile, options: Options, runs: Path) -> tuple[str, ...]:
    """Of the container, by the profile's command, or the one that submits. `runs`: their folder."""
    if profile.container:
        return python_inside(profile.container, runs, slurm=True)
    if options.python:
        return tuple(shlex.split(options.python))
    return (sys.executable, *python_options())
