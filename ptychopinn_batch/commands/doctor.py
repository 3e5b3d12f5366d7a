"""`doctor`: whether all that runs depend on is in order here, and on the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from hpc.errors import UserError
from hpc.slurm.client import Slurm
from hpc.slurm.profile import Profile
from ptychopinn_batch.checkup.cluster import (
    checks_of_container,
    checks_of_slurm,
    node_checks,
    slurm_unasked,
)
from ptychopinn_batch.checkup.finding import Finding, bad, carried_out
from ptychopinn_batch.checkup.here import checks_here
from ptychopinn_batch.cli import Exit
from ptychopinn_batch.cluster.file import find_cluster, no_cluster, read_pinned
from ptychopinn_batch.commands.options import runs_option

SIGNS = {"ok": "ok     ", "warning": "warning", "bad": "BAD    "}


@click.command()
@runs_option
@click.option("--profile", metavar="NAME", help="Check what this profile says of a cluster.")
@click.option("--no-job", is_flag=True, help="Do not start a job on a node.")
def doctor(runs: Path, profile: str | None, no_job: bool) -> int:
    """Check what runs depend on: Python, disk, SLURM, the container; and say what to mend.

    With --profile, a job of some seconds looks around on a node, as tasks would find it.

    Example: ptychopinn-batch doctor --profile hall
    """
    findings = []
    for finding in _findings(runs, profile, not no_job):
        findings.append(finding)
        click.echo(f"{SIGNS[finding.verdict]}  {finding.about}: {finding.what}")
        if finding.mend:
            click.echo(f"         {finding.mend}")
    faults = sum(finding.verdict == "bad" for finding in findings)
    click.echo(f"{faults} to mend." if faults else "Nothing to mend.")
    return Exit.USER_ERROR if faults else Exit.OK


def _findings(runs: Path, name: str | None, job: bool) -> Iterator[Finding]:
    yield from carried_out(checks_here(runs))
    try:
        found, file = _profile(name)
    except UserError as error:
        yield bad("profile", str(error), "")
        return
    slurm = found.executor == "slurm" and name is not None
    if slurm:
        yield from carried_out(checks_of_slurm(found))
    elif name is None and Slurm.is_here():
        yield slurm_unasked()
    if found.container is not None:
        where = f"{file} container"
        yield from carried_out(checks_of_container(found.container, runs, where))
    if slurm and job:
        try:
            yield from node_checks(found, runs)
        except UserError as error:
            yield bad("job", error.what, error.mend or "")


def _profile(name: str | None) -> tuple[Profile, Path | None]:
    if name is None:
        return Profile(version=1), None
    file = find_cluster(name, Path.cwd())
    if file is None:
        raise no_cluster(name, Path.cwd())
    return read_pinned(file), file
