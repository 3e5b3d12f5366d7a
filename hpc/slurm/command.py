"""One command of SLURM is run: with a deadline, in a clean environment, its errors told apart."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from hpc.errors import HpcError

__all__ = ["SlurmError", "environment", "run"]

_FILTERS = ("SQUEUE_", "SACCT_", "SINFO_", "SCONTROL_")

# Said by SLURM when asking again may help.
_BUSY = (
    *("timed out", "Unable to contact", "Connection refused", "Zero Bytes", "try again"),
    *("Transport endpoint", "Communication", "temporarily unable"),
)


class SlurmError(HpcError):
    """A command failed; `busy` when the same may work in a moment, or may have worked."""

    def __init__(self, command: str, said: str, *, busy: bool = False) -> None:
        said = said or "failed without a word"
        super().__init__(f"{command}: {said}")
        self.said = said
        self.busy = busy or any(word in said for word in _BUSY)
        self.no_accounting = "accounting storage is disabled" in said  # there never is an answer


def run(*command: str, timeout: float, env: Mapping[str, str] | None = None) -> str:
    """What the command prints. SlurmError where it fails, or is not here."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment() if env is None else env,
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


def environment(beside: str = "") -> dict[str, str]:
    """Ours without what a job around us left: its shape would become that of the new jobs.

    Nor with a user's filters, which choose other output, or hide a part of it.

    SBATCH_ACCOUNT and the like stay, but for what the script `beside` sets itself: they
    would win over it.
    """
    ours = {"SLURM_CONF", "SLURM_CLUSTERS"}
    foreign = ("SLURM_", "SLURMD_", "SRUN_", "SALLOC_", *_FILTERS)
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
