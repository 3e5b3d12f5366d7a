"""Having tasks run and saying what came of it: what `submit` and `resubmit` have in common."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import click

from hpc.errors import UserError
from hpc.executors.base import Handle
from hpc.executors.local import LocalExecutor
from hpc.executors.room import Room
from hpc.executors.slurm import SlurmExecutor, SlurmHandle
from hpc.paths import RunPaths
from hpc.settings import Settings
from hpc.slurm.client import Slurm
from hpc.slurm.status import ClusterReader
from hpc.slurm.wave import Wave
from hpc.status import RunStatus
from hpc.task import Task
from ptychopinn_batch.cli import Exit
from ptychopinn_batch.commands.outcome import failures, results
from ptychopinn_batch.commands.progress import Watcher, watcher
from ptychopinn_batch.commands.text import duration, plural, shown_path
from ptychopinn_batch.commands.verdicts import Warnings
from ptychopinn_batch.report.live import LiveReport, optional, rewrite, write_report

__all__ = ["Work", "carry_out", "executor_of"]

POLL = 0.1  # seconds between two looks at workers
LOOK = 0.5  # seconds between two looks at progress
REWRITE = "ptychopinn_batch.report.live:rewrite"  # of the report, by a cluster's steward


@dataclass(frozen=True)
class Work:
    """Tasks of a run; `only` the chosen ones, all that are not done by default."""

    run: RunPaths
    tasks: Sequence[Task]
    note: str = ""
    only: Collection[str] | None = None


def executor_of(settings: Settings, parallel: int | None = None) -> LocalExecutor | SlurmExecutor:
    """The executor that is meant. UserError where it cannot be used here."""
    profile, limits, retry = settings.profile, settings.stage_limits, settings.retry
    if settings.executor == "local":
        room = Room.of_this_machine(parallel)
        return LocalExecutor(room, limits, retry=retry, container=profile.container)
    if parallel is not None:
        raise click.UsageError("--parallel is for this machine; a spec has array_parallelism.")
    if not Slurm.is_here():
        what, mend = "there is no sbatch on this machine", "Submit on a login node of the cluster"
        raise UserError(what, where="--executor slurm", mend=mend)
    return SlurmExecutor(profile, limits, retry, afterwards=REWRITE)


def carry_out(
    work: Work,
    executor: LocalExecutor | SlurmExecutor,
    *,
    stay: bool = False,
    submitted: Callable[[], None] = lambda: None,
) -> int:
    """Submit; stay until all is over where the work is done here, or where that is wished."""
    began = time.monotonic()
    with _terminable(), executor.submit(work.run, work.tasks, work.only) as handle:
        submitted()
        left = sum(decision.action != "skip" for decision in handle.decisions)
        if left and isinstance(handle, SlurmHandle) and not stay:
            return _handed_over(work, handle)
        if left:
            click.echo(_beginning(work, handle, left))
            _watch(work, handle)
    return _end(work, time.monotonic() - began if left else None)


def _beginning(work: Work, handle: Handle, left: int) -> str:
    done = sum(decision.reason.startswith("done") for decision in handle.decisions)
    where = f"Run {work.run.name} in {work.run.folder}{work.note}"
    return f"{where}: {plural(left, 'task')} to do" + (f", {done} done before" if done else "")


def _handed_over(work: Work, handle: SlurmHandle) -> int:
    """Say what SLURM has now, and how to follow it."""
    new = sum(decision.action == "run" for decision in handle.decisions)
    there = sum(decision.action == "wait" for decision in handle.decisions)
    click.echo(_beginning(work, handle, new + there))
    wave = handle.wave
    rewrite(work.run)
    if wave.jobs:
        jobs = ", ".join(wave.jobs.values())
        click.echo(f"{plural(new - len(wave.left), 'task')} handed to SLURM: jobs {jobs}")
    if there:
        click.echo(f"{plural(there, 'task')} under way already, left as they are")
    for line in _worries(wave):
        click.echo(line, err=True)
    alone = "This goes on by itself: " if wave.guarded else ""
    click.echo(f"{alone}`ptychopinn-batch watch {work.run.name}` shows how far it is.")
    return Exit.FAILED if wave.trouble else Exit.OK


def _worries(wave: Wave) -> Iterator[str]:
    """What has not been handed over, and what becomes of it."""
    left = plural(len(wave.left), "task")
    if not wave.guarded:
        mend = "submit again when they are over, to have the rest done and faults tried again"
        yield f"No steward is behind these jobs ({wave.trouble}): {mend}."
    elif wave.trouble:
        yield f"{left} could not be handed over: {wave.trouble}"
        yield "They are tried again when the others are over; unless it is want of room, mend it."
    elif wave.left:
        yield f"{left} will be handed over when the queue has room for them (max_jobs)."


def _watch(work: Work, handle: Handle) -> None:
    """Advance the work until it is over, and show how it goes."""
    reader, looked = ClusterReader(work.run), time.monotonic()
    report, warnings = LiveReport(work.run), Warnings(reader.result_of, click.echo)
    with _telling_of_interrupts(handle), watcher(sys.stdout) as show:
        onlookers = (show, warnings, report)
        _tell(onlookers, reader)
        while not handle.poll():
            if time.monotonic() - looked >= LOOK:
                looked = time.monotonic()
                _tell(onlookers, reader)
            time.sleep(POLL)
        _tell((show, warnings), reader)


def _tell(onlookers: Sequence[Watcher], reader: ClusterReader) -> None:
    found = reader.read()
    for one in onlookers:
        one.update(found)


@contextmanager
def _telling_of_interrupts(handle: Handle) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        text = "Stopping: running tasks save their state. Ctrl-C once more ends them at once."
        if isinstance(handle, SlurmHandle):
            text = "SLURM goes on with it; `cancel` would stop it."
        click.echo(text, err=True)
        raise


def _end(work: Work, seconds: float | None) -> int:
    """Tell what has come of it; `seconds` is None when there was nothing to do."""
    status = ClusterReader(work.run).read()
    if seconds is None:
        click.echo(f"Nothing to do: all {plural(len(work.tasks), 'task')} are done.")
    for line in results(work.run, work.tasks):
        click.echo(line)
    for line in failures(work.run, status):
        click.echo(line, err=True)
    if seconds is not None:
        _write_report(work.run, status)
        click.echo(_verdict(status, seconds))
    return Exit.OK if status.is_done else Exit.FAILED


def _write_report(run: RunPaths, status: RunStatus) -> None:
    """It was written as results arrived; how all of it ended is not in it yet."""
    with optional("the report"):
        click.echo(f"report: {shown_path(write_report(run, status))}")


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
