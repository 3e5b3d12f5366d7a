"""`simulate`: a scan whose object is known, as a file that this and other programs open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from hpc.errors import UserError
from ptychopinn_batch.commands.init import refuse_existing
from ptychopinn_batch.data.header import read_header
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.speclang.document import Document, parse_set

# The spec whose only scan is written; the keys of --set are put into its simulation.
_SPEC = "version: 1\nname: simulation\nscans: [{simulate: {}}]\n"


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--set",
    "sets",
    metavar="KEY=VALUE",
    multiple=True,
    help="A key of `simulate` in job specs, such as object=star or photons=1e4; may be repeated.",
)
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def simulate(out: Path, sets: tuple[str, ...], force: bool) -> None:
    """Write a simulated scan to OUT, an NPZ file in PtychoPINN's form. The object is in it.

    Example: ptychopinn-batch simulate star.npz --set object=star --set frames=900
    """
    if out.suffix != ".npz":
        mend = f"Write {out.with_suffix('.npz')}"
        raise UserError("this name does not end in .npz", where=str(out), mend=mend)
    refuse_existing(out, force)
    scan = _scan(sets)
    header = read_header(scan)
    _write(scan, out)
    click.echo(f"Wrote {out}: {header.frames} frames of {header.n} x {header.n} pixels")


def _scan(sets: Sequence[str]) -> Scan:
    document = Document.read(_SPEC, "simulate")
    for text in sets:
        key, value = parse_set(text)
        document = document.with_value(f"scans.0.simulate.{key}", value, f"--set {text}")
    return document.checked().scans[0]


def _write(scan: Scan, out: Path) -> None:
    from ptychopinn_batch.data.writer import write_npz  # torch: after all mistakes were told
    from ptychopinn_batch.stages.prepare import simulated

    write_npz(simulated(scan), out)
