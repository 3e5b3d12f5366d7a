"""Checks of SLURM here, and of a compute node by a job of a few seconds."""

from __future__ import annotations

import getpass
import json
import os
import re
import secrets
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpc.container import Container, nested
from hpc.errors import UserError
from hpc.probe import check_container, nearest_folder
from hpc.slurm.detect import CONFIG, detect, run_command
from hpc.slurm.profile import Options, Profile
from hpc.slurm.script import interpreter
from ptychopinn_batch import __version__
from ptychopinn_batch.checkup.finding import Check, Finding, bad, good, warning
from ptychopinn_batch.checkup.here import clock

__all__ = ["checks_of_container", "checks_of_slurm", "node_checks", "slurm_unasked"]

SIGNALS_ALL = "proctrack/linuxproc"  # all other kinds spare what a task has started by itself
MOST_TOLD = 160  # characters of what a command said
PATIENCE = 300  # seconds for a job of some seconds, waiting included

# Told by the shell of the node, outside of any container.
_SHELL = """\
echo "fact host $(hostname)"
[ -c /dev/fuse ] && [ -r /dev/fuse ] && [ -w /dev/fuse ] && echo "fact fuse yes"
unshare --user true 2>/dev/null && echo "fact namespaces yes"
echo "fact program $(command -v {program})"
"""
# Told by the Python that tasks will run with.
_PYTHON = """\
import json, os, sys, time
from importlib.metadata import version
facts = {"version": version("ptychopinn-batch"), "time": time.time()}
facts["seen"] = os.path.exists(sys.argv[1])
import torch
facts["torch"], facts["gpus"] = torch.__version__, torch.cuda.device_count()
print("facts " + json.dumps(facts))
"""


def checks_of_slurm(profile: Profile) -> list[Check]:
    """What the controller, accounting and the limits say."""
    return [
        ("slurm", _controller),
        ("sacct", _accounting),
        ("MaxArraySize", lambda: _array_size(profile)),
        *([("signals", lambda: _signals(profile.container))] if profile.container else []),
    ]


def slurm_unasked() -> Finding:
    """Whether the SLURM of this machine answers, where nobody has said that runs go to it."""
    try:
        return _controller()
    except UserError as error:
        what = f"its commands are here, but it does not answer: {error.what.splitlines()[0]}"
        return warning("slurm", what[:MOST_TOLD], "Nothing to do, unless runs are to go to it")


def _controller() -> Finding:
    found = detect(run_command)
    return good("slurm", f"cluster {found.cluster}, SLURM {found.version}")


def _accounting() -> Finding:
    try:
        run_command(("sacct", "--noheader", "--allocations", f"--user={getpass.getuser()}"))
    except UserError as error:
        mend = "Nothing to do: states of ended jobs are then known for some minutes only"
        return warning("sacct", error.what, mend)
    return good("sacct", "answers")


def _array_size(profile: Profile) -> Finding:
    allowed = detect(run_command).profile.array_size
    if profile.array_size <= allowed:
        return good("MaxArraySize", f"{allowed}; the profile uses up to {profile.array_size}")
    what = f"{allowed}, the profile has array_size: {profile.array_size}"
    return bad("MaxArraySize", what, f"Write array_size: {allowed}")


def _signals(container: Container | None) -> Finding:
    """Whether signals to a task spare the process that mounts its image for an ordinary user."""
    found = re.search(r"^ProctrackType\s*=\s*(\S+)", run_command(CONFIG), re.MULTILINE)
    kind = found[1] if found else "ProctrackType is not known"
    if kind != SIGNALS_ALL or (container and "--unsquash" in container.options):
        return good("signals", kind)
    what = f"{kind} ends what mounts the image: tasks that are to stop die, and save nothing"
    mend = "Ask administrators for proctrack/cgroup; or add --unsquash to options"
    return warning("signals", what, mend)


def checks_of_container(container: Container, runs: Path, where: str) -> list[Check]:
    """What can be told of the image on this machine."""
    return [("container", lambda: _container(container, runs, where))]


def _container(container: Container, runs: Path, where: str) -> Finding:
    check_container(
        container,
        nearest_folder(runs),
        (),
        program="ptychopinn-batch",
        version=__version__,
        where=where,
    )
    how = "is what this runs in" if nested(container) else "starts here"
    return good("container", f"{container.image} {how}")


def node_checks(profile: Profile, runs: Path) -> Iterator[Finding]:
    """What a job on a compute node has found; it waits for a node as any job does."""
    folder = nearest_folder(runs)
    token = folder / f".doctor-{os.getpid()}-{secrets.token_hex(4)}"
    token.touch()
    began = time.time()
    try:
        said = _run(_command(profile, folder, token))
    finally:
        token.unlink(missing_ok=True)
    facts = dict(_facts(said))
    yield from _shell_findings(profile, facts, said)
    if "host" not in facts:
        return
    yield from _python_findings(profile, _python_facts(said), (began, time.time()), folder)


def _command(profile: Profile, folder: Path, token: Path) -> tuple[str, ...]:
    options = profile.options("train")
    program = profile.container.program if profile.container else "true"
    python = interpreter(profile, options, folder)
    script = [*options.setup, _SHELL.replace("{program}", program)]
    script.append(shlex.join((*python, "-c", _PYTHON, str(token))))
    return ("srun", *_srun_options(profile, options), "bash", "-c", "\n".join(script))


def _srun_options(profile: Profile, options: Options) -> Iterator[str]:
    for name in ("partition", "account", "qos", "constraint", "reservation"):
        if value := getattr(options, name):
            yield f"--{name}={value}"
    if profile.container and profile.container.nv and profile.limits("train").gpus:
        yield "--gpus-per-node=1"
    yield from ("--nodes=1", "--ntasks=1", "--time=5", "--mem=2000M", "--job-name=doctor")


def _run(command: tuple[str, ...]) -> str:
    """All that the job prints, its errors too."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise UserError("there is no srun here", mend="Run it on a login node") from None
    except subprocess.TimeoutExpired:
        mend = "Try again when the cluster is less busy, or with --no-job"
        raise UserError(f"no node was free within {PATIENCE} s", mend=mend) from None
    return done.stdout


def _facts(said: str) -> Iterator[tuple[str, str]]:
    for line in said.splitlines():
        if line.startswith("fact "):
            _, name, value = (*line.split(" ", 2), "")[:3]
            yield name, value


def _python_facts(said: str) -> dict[str, Any] | None:
    lines = [line for line in said.splitlines() if line.startswith("facts ")]
    return json.loads(lines[-1].removeprefix("facts ")) if lines else None


def _shell_findings(profile: Profile, facts: Mapping[str, str], said: str) -> Iterator[Finding]:
    if "host" not in facts:
        words = "; ".join(said.split("\n")[-4:]).strip("; ")
        yield bad("job", f"the job did not start ({words})", "Mend partition, account, setup")
        return
    yield good("job", f"ran on {facts['host']}")
    if profile.container is None:
        return
    if not facts.get("program"):
        mend = "Load its module in setup, or ask administrators for it on the nodes"
        yield bad("apptainer", f"no {profile.container.program} on {facts['host']}", mend)
    mend = "Ask administrators for user namespaces, or for Apptainer's setuid installation"
    if "namespaces" not in facts:
        yield warning("user namespaces", "an ordinary user cannot have any on the node", mend)
    if "fuse" not in facts:
        mend = "Ask administrators for /dev/fuse, mode 0666; or add --unsquash to options"
        yield warning("FUSE", "the node has no /dev/fuse for users", mend)


def _python_findings(
    profile: Profile, facts: Mapping[str, Any] | None, when: tuple[float, float], folder: Path
) -> Iterator[Finding]:
    if facts is None:
        mend = "See what it printed: run the same with `srun`, or look at container and setup"
        yield bad("python on a node", "this program did not start in the job", mend)
        return
    yield _version(facts["version"])
    if facts["seen"]:
        yield good("folder on a node", f"{folder} is seen there")
    else:
        mend = "Choose --runs on a file system that the nodes share, or add it to binds"
        yield bad("folder on a node", f"{folder} is not seen there", mend)
    soonest, latest = when  # the job looked at its clock in between
    apart = facts["time"] - min(max(facts["time"], soonest), latest)
    yield clock("clock of a node", "the node", apart)
    yield _gpus(profile, facts)


def _version(found: str) -> Finding:
    if found == __version__:
        return good("program on a node", f"version {found}")
    mend = "Install one version in both places, or build an image of this one"
    return bad("program on a node", f"version {found}, here it is {__version__}", mend)


def _gpus(profile: Profile, facts: Mapping[str, Any]) -> Finding:
    what = f"torch {facts['torch']} sees {facts['gpus']} there"
    if facts["gpus"] or not (profile.container and profile.container.nv):
        return good("GPUs on a node", what)
    mend = "Use the image of --variant cuda, and a partition with GPUs, listed in the profile"
    return warning("GPUs on a node", what, mend)
