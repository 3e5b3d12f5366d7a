"""`submit`: have everything done that is not done yet, watch it, and say what came of it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from hpc.executors.base import Handle
from hpc.executors.dry_run import DryRunExecutor
from hpc.executors.local import LocalExecutor
from hpc.executors.room import Room
from hpc.status import RunStatus, StatusReader, read_status
from ptychopinn_batch.cli import Exit
from ptychopinn_batch.commands.job import Job, read_job, spec_options
from ptychopinn_batch.commands.outcome import failures, results
from ptychopinn_batch.commands.progress import watcher
from ptychopinn_batch.commands.text import duration, plural
from ptychopinn_batch.runfolder import write_spec

POLL = 0.1  # seconds between two looks at workers
LOOK = 0.5  # seconds between two looks at progress


@click.command()
@spec_options
@click.option(
    "--executor",
    type=click.Choice(["local", "dry-run"]),
    default="local",
    show_default=True,
    help="Run tasks on this machine, or only say what would be started.",
)
@click.option(
    "--parallel",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most so many tasks at once.  [default: as many as fit in CPUs and memory]",
)
def submit(
    spec: Path,
    runs: Path,
    sets: tuple[str, ...],
    profile: str | None,
    executor: str,
    parallel: int | None,
) -> int:
    """Run every task of a job SPEC that is not done yet.

    Given again, it goes on with what is unfinished and does nothing twice. Ctrl-C stops the work
    so that it can go on later.

    Example: ptychopinn-batch submit fly64.yaml --set infer.steps=8
    """
    job = read_job(spec, runs, sets, profile)
    if executor == "dry-run":
        return _dry_run(job)
    return _run(job, LocalExecutor(Room.of_this_machine(parallel), _stage_limits(job)))


def _dry_run(job: Job) -> int:
    handle = DryRunExecutor().submit(job.run, job.tasks)
    for command in handle.commands:
        after = f"  # after {', '.join(command.after)}" if command.after else ""
        click.echo(f"{' '.join(command.argv)}{after}")
    click.echo(f"Nothing was started: {plural(len(handle.commands), 'task')} would be.", err=True)
    return Exit.OK


def _stage_limits(job: Job) -> dict[str, int]:
    """How many tasks of a stage may run at once: the most that any variant allows."""
    limits: dict[str, int] = {}
    for variant in job.variants:
        for stage, wanted in variant.spec.resources:
            limits[stage] = max(limits.get(stage, 0), wanted.array_parallelism)
    return {**limits, "package": limits["finalize"]}


def _run(job: Job, executor: LocalExecutor) -> int:
    began = time.monotonic()
    with _terminable(), executor.submit(job.run, job.tasks) as handle:
        write_spec(job.run, job.loaded)
        job.inputs.save()
        left = sum(decision.action != "skip" for decision in handle.decisions)
        if left:
            click.echo(_beginning(job, left))
            _watch(job, handle)
    return _end(job, time.monotonic() - began if left else None)


def _beginning(job: Job, left: int) -> str:
    done = len(job.tasks) - left
    where = f"Run {job.run.name} in {job.run.folder}{job.profile_note}"
    return f"{where}: {plural(left, 'task')} to do" + (f", {done} done before" if done else "")


def _watch(job: Job, handle: Handle) -> None:
    """Advance the work until it is over, and show how it goes."""
    reader, looked = StatusReader(job.run), time.monotonic()
    with _telling_of_interrupts(), watcher(sys.stdout) as show:
        show.update(reader.read())
        while not handle.poll():
            if time.monotonic() - looked >= LOOK:
                looked = time.monotonic()
                show.update(reader.read())
            time.sleep(POLL)
        show.update(reader.read())


@contextmanager
def _telling_of_interrupts() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        text = "Stopping: running tasks save their state. Ctrl-C once more ends them at once."
        click.echo(text, err=True)
        raise


def _end(job: Job, seconds: float | None) -> int:
    """Tell what has come of it; `seconds` is None when there was nothing to do."""
    status = read_status(job.run)
    if seconds is None:
        click.echo(f"Nothing to do: all {plural(len(job.tasks), 'task')} are done.")
    for line in results(job.run, job.tasks):
        click.echo(line)
    for line in failures(job.run, status):
        click.echo(line, err=True)
    if seconds is not None:
        click.echo(_verdict(status, seconds))
    return Exit.OK if status.is_done else Exit.TASKS_FAILED


def _verdict(status: RunStatus, seconds: float) -> str:
    total = len(status.rows)
    if status.is_done:
        return f"All {plural(total, 'task')} are done, after {duration(seconds)}."
    done = status.counts.get("done", 0)
    again = "The same submit runs the others again."
    return f"{done} of {plural(total, 'task')} are done, after {duration(seconds)}. {again}"


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM stop the work in order, as Ctrl-C does."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(Exit.TERMINATED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
