"""`cancel`: have tasks not run, or stop; from any terminal."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.cancel import cancel_tasks
from hpc.errors import UserError
from hpc.slurm.client import SlurmError
from ptychopinn_batch.commands.target import chosen_tasks, find_run, run_argument, task_options
from ptychopinn_batch.commands.text import plural


@click.command()
@run_argument
@task_options
def cancel(run: str, runs: Path, task: tuple[str, ...], stage: str | None) -> None:
    """Cancel TASKs of RUN, those of a --stage, or all that wait or run.

    Running tasks are asked to stop and save their state; a later submit goes on from there. What
    is done stays done. Jobs on SLURM are taken back.

    Example: ptychopinn-batch cancel fly64 --stage train
    """
    paths = find_run(run, runs)
    # The last of the plan first: none is started that is cancelled.
    try:
        cancelled = cancel_tasks(paths, chosen_tasks(paths, task, stage)[::-1])
    except SlurmError as error:
        mend = "No task will be started; give the command again to end those that run"
        raise UserError(f"SLURM was not told ({error})", where=f"run {run}", mend=mend) from None
    names = f": {', '.join(cancelled)}" if cancelled else ": nothing there waits or runs"
    click.echo(f"{plural(len(cancelled), 'task')} cancelled{names}")
