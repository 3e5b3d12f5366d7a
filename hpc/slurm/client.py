"""SLURM's commands: run with a deadline, asked for machine-readable answers, errors told apart.

Reading commands are tried again when the controller is busy. `sbatch` never is: whether it took a
job although it failed is found out by the job's name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hpc.errors import HpcError
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

# Said by SLURM when asking again may help.
_BUSY = (
    *("timed out", "Unable to contact", "Connection refused", "Zero Bytes", "try again"),
    *("Transport endpoint", "Communication", "temporarily unable"),
)


class SlurmError(HpcError):
    """A command failed; `busy` when the same may work in a moment, or may have worked."""

    def __init__(self, command: str, said: str, *, busy: bool = False) -> None:
        super().__init__(f"{command}: {said or 'failed without a word'}")
        self.said = said
        self.busy = busy or any(word in said for word in _BUSY)
        self.no_accounting = "accounting storage is disabled" in said  # there never is an answer


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
        environment = _environment(beside=script.read_text())
        said = _run("sbatch", "--parsable", str(script), timeout=SUBMIT, environment=environment)
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
                return _run(*command, timeout=ANSWER)
            except SlurmError as error:
                if not error.busy or number == self._tries:
                    raise
                time.sleep(self._pause * number)
        raise AssertionError("unreachable")


def _run(*command: str, timeout: float, environment: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment or _environment(),
            check=False,
        )
    except FileNotFoundError:
        raise SlurmError(command[0], "there is no such command here") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(command[0], f"timed out after {timeout:g} s") from None
    if done.returncode != 0:
        lines = (line.strip() for line in done.stderr.splitlines())
        words = (line.removeprefix(f"{command[0]}: error: ") for line in lines)
        raise SlurmError(command[0], "; ".join(filter(None, words)))
    return done.stdout


def _environment(beside: str = "") -> dict[str, str]:
    """Ours without what a job around us left: its shape would become that of the new jobs.

    A user's SBATCH_ACCOUNT and the like stay, but for what the script `beside` sets itself: they
    would win over it.
    """
    ours = {"SLURM_CONF", "SLURM_CLUSTERS"}
    foreign = ("SLURM_", "SLURMD_", "SRUN_", "SALLOC_", "SQUEUE_", "SACCT_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ours or not (name.startswith(foreign) or _is_set_in(beside, name))
    }
    return {**kept, "SLURM_TIME_FORMAT": "standard"}


# Where the variable is not called as its option, or takes the place of another.
_OTHER_NAMES = {
    **{"timelimit": "time", "array-inx": "array", "no-requeue": "requeue"},
    **{"mem-per-node": "mem", "mem-per-cpu": "mem", "mem-per-gpu": "mem"},
}


def _is_set_in(script: str, name: str) -> bool:
    if name == "SBATCH_WAIT":  # until the job is over: nobody wants that here
        return True
    key = name.removeprefix("SBATCH_").lower().replace("_", "-")
    option = _OTHER_NAMES.get(key, key)
    return name.startswith("SBATCH_") and f"#SBATCH --{option}" in script


def _lists(names: Iterable[str]) -> list[str]:
    """The names, so many at a time, joined by commas."""
    names = list(dict.fromkeys(names))
    return [",".join(names[k : k + NAMES_AT_ONCE]) for k in range(0, len(names), NAMES_AT_ONCE)]
