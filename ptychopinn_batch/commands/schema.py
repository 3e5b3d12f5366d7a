"""`schema`: the language of job specs for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from hpc.fsio import write_atomic
from ptychopinn_batch.commands.init import refuse_existing


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it to a file, in place of what is there.",
)
def schema(output: Path | None) -> None:
    """Print the JSON Schema of job specs, with which editors complete and check keys.

    Example: ptychopinn-batch schema --output jobspec.schema.json
    """
    from ptychopinn_batch.speclang.schema import spec_schema

    text = json.dumps(spec_schema(), indent=2)
    if output is None:
        click.echo(text)
    else:
        refuse_existing(output, force=True)
        write_atomic(output, text + "\n")
        click.echo(f"Wrote {output}")
