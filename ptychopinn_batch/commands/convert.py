"""`convert`: a scan in another format, every number kept."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.errors import UserError
from ptychopinn_batch.commands.init import refuse_existing
from ptychopinn_batch.commands.scanoptions import scan_of, sets_option

FORMATS = ("ptychopinn", "ptychodus", "ptychodus_training", "cxi")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--to", "name", type=click.Choice(FORMATS), help="Format of OUT; without it, by its name."
)
@sets_option
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def convert(file: Path, out: Path, name: str | None, sets: tuple[str, ...], force: bool) -> None:
    """Read the scan in FILE and write it to OUT: .npz for PtychoPINN, .cxi, .h5 for training data
    of Ptychodus, a name without suffix for its folder of product.h5 and diffraction.h5.

    Example: ptychopinn-batch convert scan.cxi scan.npz --set crop=256
    """
    from ptychopinn_batch.readers.opened import read_scan
    from ptychopinn_batch.writers.registry import WRITERS, find_writer

    writer = find_writer(out, name)
    for target in writer.targets(out):
        refuse_existing(target, force) if target == out else _refuse_in_folder(target, force)
    scan = scan_of(file, sets)
    _refuse_own(scan.path, writer.targets(out))
    raw = read_scan(scan)
    writer.write(raw, out)
    click.echo(
        f"Wrote {out} ({writer.title}): {len(raw.frames)} frames of {raw.frames.n} x "
        f"{raw.frames.n} pixels"
    )
    if raw.geometry is None and writer is not WRITERS["ptychopinn"]:
        click.echo(
            "The scan states no geometry: a nominal one was written. Give energy_ev, distance_m "
            "and detector_pixel_m with --set",
            err=True,
        )


def _refuse_in_folder(target: Path, force: bool) -> None:
    """A file of a folder that will be made where it is not there yet."""
    if target.parent.exists() and not target.parent.is_dir():
        mend = "Choose another name"
        raise UserError("this is a file, not a folder", where=str(target.parent), mend=mend)
    if target.exists():
        refuse_existing(target, force)


def _refuse_own(source: str | None, targets: tuple[Path, ...]) -> None:
    """A scan is read while it is written: never into its own files."""
    mine = Path(str(source)).resolve()
    for target in targets:
        if target.resolve() in (mine, mine / target.name):
            mend = "Choose another name"
            raise UserError("the scan would be written onto itself", where=str(target), mend=mend)
