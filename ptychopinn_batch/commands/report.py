"""`report`: write the page of a run that tells all of it, as it stands now."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.slurm.status import ClusterReader
from ptychopinn_batch.commands.target import find_run, run_argument
from ptychopinn_batch.commands.text import shown_path
from ptychopinn_batch.report.live import write_report


@click.command()
@run_argument
def report(run: str, runs: Path) -> None:
    """Write the report of RUN anew: one HTML file with every result, sweep and failure.

    It is written by itself as results arrive; this is for after a failure, or a change by hand.

    Example: ptychopinn-batch report fly64
    """
    paths = find_run(run, runs)
    click.echo(shown_path(write_report(paths, ClusterReader(paths).read())))
