"""The command line: the list of commands, and what becomes of errors.

Commands are imported when they are called, so that each answers as fast as it can: none of them
imports torch, but `doctor` and those that work on frames or weights (`check`, `simulate`, parts of
`package`).
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

import click

from ptychopinn_batch import __version__

__all__ = ["Exit", "cli", "main"]

PROGRAM = "ptychopinn-batch"

COLLECT = 500_000, 20, 20
"""Thresholds of Python's garbage collector. Ten thousand tasks are millions of objects that stay;
looking through all of them again and again takes half as long as reading them."""

COMMANDS = {
    "init": "Write a commented job spec to start from.",
    "validate": "Check a job spec and the scans it names.",
    "plan": "Show what a submit would do and why; write nothing.",
    "submit": "Run all that is not done yet.",
    "status": "Show how a run stands.",
    "watch": "Show how a run goes on, until it is over.",
    "runs": "List all runs.",
    "logs": "Show what tasks have printed.",
    "report": "Write the page that tells all of a run.",
    "show": "Show a result: figures, pictures, files.",
    "compare": "Compare two runs: settings, figures, pictures.",
    "cancel": "Cancel tasks that are waiting or running.",
    "resubmit": "Run again what failed.",
    "clean": "Free the disk of what can be made again.",
    "profile": "Make and show profiles of clusters.",
    "doctor": "Check this machine and a cluster, and say what to mend.",
    "inspect": "Tell what is in a scan's file, and whether it will reconstruct.",
    "check": "Tell whether a scan can be trusted, from a sample of its frames.",
    "convert": "Write a scan in another format.",
    "simulate": "Write a simulated scan as an NPZ file.",
    "package": "Show, check, compare and convert packaged networks.",
    "schema": "Print the JSON Schema of job specs.",
}
"""In the order in which one meets them; each is a function of its name in a module of its name."""


class Exit(IntEnum):
    """Exit codes; `docs/cli.md` and the help say the same."""

    OK = 0
    FAILED = 1
    USER_ERROR = 2
    INTERNAL_ERROR = 70
    INTERRUPTED = 130
    TERMINATED = 143


EPILOG = """\b
Exit codes:
  0    all is well
  1    some tasks failed, were cancelled, or could not be run; check: a scan is bad;
       package diff: two packages differ
  2    a mistake that you can mend; the message says what, where and how
  70   an error in the program; the message says where its traceback is
  130  interrupted (Ctrl-C); 143: terminated. The same submit goes on from there
"""


class Commands(click.Group):
    """A group that imports its commands late and turns every error into one message."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ptychopinn_batch.commands.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and end the process with its exit code, whatever `standalone_mode`."""
        try:
            _check_folder()
            code = super().main(args, prog_name or PROGRAM, complete_var, False, **extra)
        except BaseException as error:
            code = report(error)
        sys.exit(code or Exit.OK)


def _check_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        from hpc.errors import UserError

        raise UserError("the folder you are in is gone", mend="Change to another") from None


def report(error: BaseException) -> int:
    """Tell the user about an error on stderr; the exit code it comes to."""
    from hpc.causes import as_user_error
    from hpc.errors import UserError

    error = as_user_error(error)
    match error:
        case SystemExit():
            raise error
        case click.ClickException():
            error.show()
            return Exit.USER_ERROR
        case UserError():
            return _say(f"Error: {error}", Exit.USER_ERROR)
        case KeyboardInterrupt() | click.Abort():
            return _say("Interrupted.", Exit.INTERRUPTED)
        case BrokenPipeError():
            return _hung_up()
    return _say(
        f"Error in {PROGRAM} itself: {type(error).__name__}: {error}\n"
        f"The traceback is kept in {_kept(error)}; please report it.",
        Exit.INTERNAL_ERROR,
    )


def _say(text: str, code: Exit) -> Exit:
    with suppress(BrokenPipeError):
        click.echo(text, err=True)
    return code


def _hung_up() -> Exit:
    """The reader of our output went away, as `head` does: no reason to complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


def _kept(error: BaseException) -> str:
    """Write the traceback where it is found again; the name of the file."""
    name = f"{PROGRAM}-error-"
    with tempfile.NamedTemporaryFile("w", prefix=name, suffix=".txt", delete=False) as file:
        traceback.print_exception(error, file=file)
    return file.name


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM)
def cli() -> None:
    """Ptychographic reconstruction in batches: one YAML file, one command.

    A run's state lives in its folder, below --runs: any command may be given at any time, from any
    terminal, and a submit that is repeated goes on with what is not done.
    """


def main() -> None:
    """The console script."""
    gc.set_threshold(*COLLECT)
    # Or it looks for plugins in every package that is installed, which a shared disk makes slow.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a sign shows another
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        cli.main()
    finally:
        gc.freeze()  # else Python looks through all of them as it ends, to free them one by one


if __name__ == "__main__":
    main()
