"""`submit`: have everything done that is not done yet, watch it, and say what came of it."""

from __future__ import annotations

from pathlib import Path

import click

from hpc.executors.dry_run import DryRunExecutor
from ptychopinn_batch.cli import Exit
from ptychopinn_batch.commands.inside import check_inside
from ptychopinn_batch.commands.job import Job, executor_option, read_job, spec_options
from ptychopinn_batch.commands.text import plural
from ptychopinn_batch.commands.work import Work, carry_out, executor_of
from ptychopinn_batch.runfolder import write_spec


@click.command()
@spec_options
@executor_option
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most so many tasks at once on this machine.  [default: as many as fit]",
)
@click.option("--watch", "stay", is_flag=True, help="With SLURM: stay, and show how it goes.")
def submit(
    spec: Path,
    runs: Path,
    sets: tuple[str, ...],
    profile: str | None,
    executor: str | None,
    parallel: int | None,
    stay: bool,
) -> int:
    """Run every task of a job SPEC that is not done yet.

    Given again, it goes on with what is unfinished and does nothing twice. On this machine Ctrl-C
    stops the work so that it can go on later; SLURM goes on by itself.

    Example: ptychopinn-batch submit fly64.yaml --set infer.steps=8
    """
    job = read_job(spec, runs, sets, profile, executor)
    if job.executor == "dry-run":
        return _dry_run(job)
    check_inside(job.run, job.tasks, job.settings(), str(job.cluster.path))
    work = Work(job.run, job.tasks, job.profile_note)
    chosen = executor_of(job.settings(), parallel)
    return carry_out(work, chosen, stay=stay, submitted=lambda: _keep(job))


def _keep(job: Job) -> None:
    """What stands beside the plan, once it is clear that the run is ours."""
    write_spec(job.run, job.loaded)
    job.inputs.save()


def _dry_run(job: Job) -> int:
    handle = DryRunExecutor(job.cluster.profile.container).submit(job.run, job.tasks)
    for command in handle.commands:
        after = f"  # after {', '.join(command.after)}" if command.after else ""
        click.echo(f"{' '.join(command.argv)}{after}")
    click.echo(f"Nothing was started: {plural(len(handle.commands), 'task')} would be.", err=True)
    return Exit.OK
