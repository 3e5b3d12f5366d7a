"""Options of commands that take a scan's file rather than a job spec: keys of `scans:` by --set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.speclang.document import Document, parse_set
from ptychopinn_batch.speclang.file import folders_of
from ptychopinn_batch.speclang.sources import resolved

# The spec whose only scan is the file; the keys of --set are put into it.
_SPEC = "version: 1\nname: scan\nscans: [{path: ''}]\n"

sets_option: Callable[[Any], Any] = click.option(
    "--set",
    "sets",
    metavar="KEY=VALUE",
    multiple=True,
    help="A key of `scans:` in job specs, such as crop=256 or files.positions=table.csv; may be "
    "repeated.",
)


def scan_of(file: Path, sets: Sequence[str]) -> Scan:
    """The scan in a file, read as --set says. UserError for unknown keys and missing files."""
    document = Document.read(_SPEC, str(file))
    document = document.with_value("scans.0.path", str(file), str(file))
    for text in sets:
        key, value = parse_set(text)
        document = document.with_value(f"scans.0.{key}", value, f"--set {text}")
    scans = resolved(document.checked(), document, folders_of(Path("here"))).scans
    if len(scans) > 1:
        what = f"{len(scans)} files match"
        raise UserError(what, where=str(file), mend="Give the name of one")
    return scans[0]
