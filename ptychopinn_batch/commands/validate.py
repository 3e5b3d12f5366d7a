"""`validate`: is a spec right, and can its scans be used?"""

from __future__ import annotations

from pathlib import Path

import click

from ptychopinn_batch.commands.job import read_job, spec_options
from ptychopinn_batch.commands.text import plural


@click.command()
@spec_options
def validate(spec: Path, runs: Path, sets: tuple[str, ...], profile: str | None) -> None:
    """Check a job SPEC: its keys and values, and the headers of the scans it names.

    Example: ptychopinn-batch validate fly64.yaml --set scans.0.path=fly64.npz
    """
    job = read_job(spec, runs, sets, profile)
    scans = {scan for variant in job.variants for scan in variant.spec.scans}
    click.echo(
        f"{spec} is valid: {plural(len(scans), 'scan')}, {plural(len(job.variants), 'variant')}, "
        f"{plural(len(job.tasks), 'task')}{job.profile_note}"
    )
