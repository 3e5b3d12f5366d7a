"""What is asked of SLURM, in machine-readable form, and what its answers say.

Reading commands are tried again when the controller is busy. `sbatch` never is: whether it took a
job although it failed is found out by the job's name.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from hpc.slurm.command import SlurmError, environment, run
from hpc.slurm.states import (
    SACCT_FIELDS,
    SQUEUE_FIELDS,
    Report,
    read_sacct,
    read_scontrol,
    read_squeue,
)

__all__ = ["Slurm", "SlurmError"]

TRIES = 3
PAUSE = 2.0  # seconds before the second try, twice that before the third
ANSWER = 30.0  # seconds that a command may take
SUBMIT = 120.0  # seconds that sbatch may take: a big array on a busy controller is slow
NAMES_AT_ONCE = 200  # job names in one question: a command line is not endless

_JOB = re.compile(r"^(\d+)(?:;\S*)?$", re.MULTILINE)  # 12, or 12;cluster


class Slurm:
    """The cluster whose commands are on PATH."""

    def __init__(self, *, tries: int = TRIES, pause: float = PAUSE) -> None:
        self._tries = tries
        self._pause = pause

    @staticmethod
    def is_here() -> bool:
        """Whether this machine can submit at all."""
        return shutil.which("sbatch") is not None

    def submit(self, script: Path) -> str:
        """The id of the job that a script has become. SlurmError: refused, or nobody knows."""
        env = environment(beside=script.read_text())
        said = run("sbatch", "--parsable", str(script), timeout=SUBMIT, env=env)
        jobs = _JOB.findall(said)  # sites wrap sbatch in scripts that have more to say
        if not jobs:
            raise SlurmError("sbatch", f"Expected the id of a job, got {said!r}", busy=True)
        return str(jobs[-1])

    def queued(self, names: Sequence[str]) -> list[Report]:
        """What squeue says of jobs with these names: waiting, running, ended some minutes ago."""
        form = ",".join(f"{field}:|" for field in SQUEUE_FIELDS)
        # --all: partitions that are hidden, too.
        options = ("--noheader", "--all", "--array", "--states=all", f"--Format={form}")
        answers = (self._ask("squeue", *options, f"--name={some}") for some in _lists(names))
        return [report for answer in answers for report in read_squeue(answer)]

    def accounted(self, jobs: Sequence[str]) -> list[Report]:
        """What sacct says of these jobs; SlurmError where there is no accounting."""
        options = ("--noheader", "--parsable2", f"--format={','.join(SACCT_FIELDS)}")
        answers = (self._ask("sacct", *options, f"--jobs={some}") for some in _lists(jobs))
        return [report for answer in answers for report in read_sacct(answer)]

    def past_records(self, job: str) -> list[Report]:
        """Every record that sacct has of one job that was requeued, the oldest first."""
        form = f"--format={','.join(SACCT_FIELDS)}"
        command = ("sacct", "--noheader", "--parsable2", "--duplicates", "--allocations", form)
        text = self._ask(*command, f"--jobs={job}")
        return [report for line in text.splitlines() for report in read_sacct(line)]

    def accounted_by_name(self, name: str, since: float) -> list[Report]:
        """Jobs of a name that sacct knows of, since a time in seconds since 1970."""
        start = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(since))
        options = ("--noheader", "--parsable2", f"--format={','.join(SACCT_FIELDS)}")
        text = self._ask("sacct", *options, f"--name={name}", f"--starttime={start}")
        return list(read_sacct(text))

    def shown(self, job: str) -> list[Report]:
        """What the controller still knows of one job; nothing where it has forgotten it."""
        try:
            return list(
                read_scontrol(self._ask("scontrol", "--details", "--oneliner", "show", "job", job))
            )
        except SlurmError as error:
            if "Invalid job id" in error.said:
                return []
            raise

    def lost_nodes(self, nodes: str) -> tuple[str, ...]:
        """Those of the nodes (in SLURM's notation) that do not work now."""
        states = "--states=down,drain,fail,no_respond,unknown"
        text = self._ask("sinfo", "--noheader", "--Node", states, f"--nodes={nodes}", "--format=%N")
        return tuple(sorted(set(text.split())))

    def cancel(self, jobs: Sequence[str]) -> None:
        """End these jobs, or elements of arrays. Those that are over are no error."""
        for some in _lists(jobs):
            self._ask("scancel", "--quiet", *some.split(","))

    def requeue(self, job: str) -> None:
        """Have a running job end, and wait in the queue again under the same id."""
        self._ask("scontrol", "requeue", job)

    def exclude(self, job: str, nodes: Sequence[str]) -> None:
        """Keep a waiting job away from these nodes."""
        self._ask("scontrol", "update", f"JobId={job}", f"ExcNodeList={','.join(nodes)}")

    def _ask(self, *command: str) -> str:
        for number in range(1, self._tries + 1):
            try:
                return run(*command, timeout=ANSWER)
            except SlurmError as error:
                if not error.busy or number == self._tries:
                    raise
                time.sleep(self._pause * number)
        raise AssertionError("unreachable")


def _lists(names: Iterable[str]) -> list[str]:
    """The names, so many at a time, joined by commas."""
    names = list(dict.fromkeys(names))
    return [",".join(names[k : k + NAMES_AT_ONCE]) for k in range(0, len(names), NAMES_AT_ONCE)]
