"""Options that several commands have. Imports nothing that would slow down the fastest of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

__all__ = ["runs_option"]

F = TypeVar("F", bound=Callable[..., object])


def runs_option(command: F) -> F:
    """--runs, the folder of all runs."""
    return click.option(
        "--runs",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("runs"),
        show_default=True,
        metavar="DIR",
        help="Folder of all runs.",
    )(command)
