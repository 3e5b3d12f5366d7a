"""`resubmit`: run again what failed, without the spec."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.errors import StateError, UserError
from hpc.fsio import read_json
from hpc.ledger import TaskState, read_states
from hpc.paths import RunPaths
from hpc.plan import phrase
from hpc.resubmit import to_resubmit
from hpc.settings import Settings, read_settings
from hpc.slurm.observe import observe
from hpc.submission import RunPlan, read_plan
from hpc.task import Task
from ptychopinn_batch.cli import Exit
from ptychopinn_batch.commands.inside import check_inside
from ptychopinn_batch.commands.target import chosen_tasks, find_run, run_argument, task_options
from ptychopinn_batch.commands.text import columns
from ptychopinn_batch.commands.work import Work, carry_out, executor_of


@click.command()
@run_argument
@task_options
@click.option(
    "--executor",
    type=click.Choice(("local", "slurm")),
    help="Where to run them.  [default: where the run was submitted to]",
)
@click.option("--watch", "stay", is_flag=True, help="With SLURM: stay, and show how it goes.")
@click.option("--dry-run", is_flag=True, help="Only say what would be run again, and why.")
def resubmit(
    run: str,
    runs: Path,
    task: tuple[str, ...],
    stage: str | None,
    executor: str | None,
    stay: bool,
    dry_run: bool,
) -> int:
    """Run what failed in RUN again: TASKs, those of a --stage, or all; and what they block.

    It runs as it was submitted, whatever has become of the spec. What ran out of memory or time
    gets more of it, lost nodes are kept off.

    Example: ptychopinn-batch resubmit fly64 --stage infer
    """
    paths = find_run(run, runs)
    plan, settings = read_plan(paths), _settings(paths, executor)
    states = observe(paths, read_states(paths, (task.id for task in plan.tasks))).states
    wanted = chosen_tasks(paths, task, stage) if task or stage else None
    names = to_resubmit(plan, states, wanted)
    unknown = [name for name, state in states.items() if state.status == "unknown"]
    for name in unknown:
        click.echo(f"{name} is left alone, {phrase(states[name])}", err=True)
    if not names:
        click.echo("Nothing to run again: nothing there has failed.")
        return Exit.FAILED if unknown else Exit.OK
    _tell(names, states)
    if dry_run:
        return Exit.OK
    work = Work(paths, _tasks(paths, plan), only=names)
    check_inside(paths, work.tasks, settings, str(paths.executor))
    return carry_out(work, executor_of(settings), stay=stay)


def _settings(run: RunPaths, executor: str | None) -> Settings:
    settings = read_settings(run)
    return settings.model_copy(update={"executor": executor}) if executor else settings


def _tell(names: list[str], states: dict[str, TaskState]) -> None:
    rows = ((name, phrase(states[name])) for name in names)
    for line in columns(("task", "why"), rows):
        click.echo(line)


def _tasks(run: RunPaths, plan: RunPlan) -> list[Task]:
    try:
        return [read_json(run.task(task.id), Task) for task in plan.tasks]
    except StateError as error:
        mend = "Submit the spec again: it has all tasks"
        raise UserError(error.what, where=error.where, mend=mend) from None
