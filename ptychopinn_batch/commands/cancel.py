"""`cancel`: have tasks not run, or stop; from any terminal."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.cancel import cancel_tasks
from hpc.errors import UserError
from hpc.paths import RunPaths
from ptychopinn_batch.commands.target import check_task, find_run, run_argument, task_ids
from ptychopinn_batch.commands.text import plural


@click.command()
@run_argument
@click.argument("task", required=False)
@click.option("--stage", metavar="NAME", help="Cancel the tasks of this stage.")
def cancel(run: str, runs: Path, task: str | None, stage: str | None) -> None:
    """Cancel one TASK of RUN, those of a --stage, or all that wait or run.

    Running tasks are asked to stop and save their state; a later submit goes on from there. What
    is done stays done.

    Example: ptychopinn-batch cancel fly64 --stage train
    """
    if task and stage:
        raise click.UsageError("Name a TASK or a --stage, not both.")
    paths = find_run(run, runs)
    cancelled = cancel_tasks(paths, _chosen(paths, task, stage))
    names = f": {', '.join(cancelled)}" if cancelled else ": nothing there waits or runs"
    click.echo(f"{plural(len(cancelled), 'task')} cancelled{names}")


def _chosen(run: RunPaths, task: str | None, stage: str | None) -> list[str]:
    """The tasks that are meant, the last of the plan first: none is started that is cancelled."""
    stages = task_ids(run)
    if task is not None:
        check_task(run, task, list(stages))
        return [task]
    if stage is None:
        return list(stages)[::-1]
    if stage not in stages.values():
        known = ", ".join(dict.fromkeys(stages.values()))
        what = f"there is no stage '{stage}'"
        raise UserError(what, where=f"run {run.name}", mend=f"Its stages: {known}")
    return [name for name, own in stages.items() if own == stage][::-1]
