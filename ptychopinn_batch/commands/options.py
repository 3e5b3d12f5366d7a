"""Options that several commands have. Imports nothing that would slow down the fastest of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["runs_option"]

F = TypeVar("F", bound=Callable[..., object])


class RunsFolder(click.Path):
    """A folder; the empty path, which would be the working folder, is taken for a mistake."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty; is a shell variable unset?", param, ctx)
        return super().convert(value, param, ctx)


def runs_option(command: F) -> F:
    """--runs, the folder of all runs."""
    return click.option(
        "--runs",
        type=RunsFolder(path_type=Path, file_okay=False),
        default=Path("runs"),
        show_default=True,
        metavar="DIR",
        help="Folder of all runs.",
    )(command)
