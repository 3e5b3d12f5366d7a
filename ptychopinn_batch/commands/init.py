"""`init`: a commented job spec to start from."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.errors import UserError
from hpc.fsio import write_atomic


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), default="job.yaml")
@click.option("--scan", metavar="PATH", help="The scan: a file, or a pattern of several.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def init(file: Path, scan: str | None, force: bool) -> None:
    """Write a commented job spec to FILE (job.yaml), of a simulated star unless --scan is given.

    Example: ptychopinn-batch init sample.yaml --scan data/sample.npz
    """
    from ptychopinn_batch.speclang.template import init_spec_text

    refuse_existing(file, force)
    write_atomic(file, init_spec_text(file.stem, scan))
    click.echo(f"Wrote {file}. Next: ptychopinn-batch validate {file}")
    if scan is not None and (lack := _lack(file)):
        click.echo(f"The spec is not complete yet: {lack}", err=True)


def _lack(file: Path) -> str | None:
    """What the scans of a new spec lack; of many the first is looked at."""
    from ptychopinn_batch.readers.opened import open_scan
    from ptychopinn_batch.speclang.file import load_spec

    try:
        open_scan(load_spec(file).spec.scans[0]).check()
    except UserError as error:
        return str(error)
    return None


def refuse_existing(file: Path, force: bool) -> None:
    """Raise UserError where a file would be lost, or there is no folder for it."""
    if file.exists() and not force:
        mend = "Choose another name, or say --force to replace it"
        raise UserError("this file exists", where=str(file), mend=mend)
    if not file.parent.is_dir():
        raise UserError("there is no such folder", where=str(file.parent), mend="Make it first")
