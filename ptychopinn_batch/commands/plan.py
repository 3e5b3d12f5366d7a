"""`plan`: every task, whether it would run, why, and what it would take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from hpc.plan import Action, Decision
from hpc.record import Record
from hpc.resources import Resources, format_duration
from hpc.submission import plan_run
from ptychopinn_batch.commands.job import Job, read_job, spec_options
from ptychopinn_batch.commands.text import columns, duration, plural
from ptychopinn_batch.estimate import Cost, expected_cost, total_cost

HEAD = ("task", "action", "cpus", "gpus", "memory", "limit", "expected", "writes", "reason")


class Line(Record):
    """One task of a plan."""

    id: str
    stage: str
    key: str
    needs: tuple[str, ...]
    action: Action
    reason: str
    resources: Resources
    expected: Cost


class Plan(Record):
    """What `plan --json` prints. `expected` is of the tasks that run."""

    run: str
    folder: str
    profile: str | None
    tasks: tuple[Line, ...]
    expected: Cost


@click.command()
@spec_options
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON, for programs.")
def plan(spec: Path, runs: Path, sets: tuple[str, ...], profile: str | None, as_json: bool) -> None:
    """Show every task of a job SPEC, whether it would run and why. Nothing is written.

    Example: ptychopinn-batch plan fly64.yaml --set train.epochs=3
    """
    job = read_job(spec, runs, sets, profile)
    made = describe(job, plan_run(job.run, job.tasks).decisions)
    click.echo(made.model_dump_json(indent=1) if as_json else "\n".join(_lines(job, made)))


def describe(job: Job, decisions: Sequence[Decision]) -> Plan:
    """A plan as it is shown. Pure."""
    tasks = tuple(map(_line, decisions))
    return Plan(
        run=job.run.name,
        folder=str(job.run.folder),
        profile=job.loaded.profile,
        tasks=tasks,
        expected=total_cost(line.expected for line in tasks if line.action == "run"),
    )


def _line(decision: Decision) -> Line:
    task = decision.task
    return Line(
        id=task.id,
        stage=task.stage,
        key=task.key,
        needs=task.needs,
        action=decision.action,
        reason=decision.reason,
        resources=task.resources,
        expected=expected_cost(task),
    )


def _lines(job: Job, made: Plan) -> list[str]:
    head = f"Run {made.run} in {made.folder}{job.profile_note}"
    return [head, "", *columns(HEAD, map(_cells, made.tasks)), "", _total(made)]


def _cells(line: Line) -> tuple[str, ...]:
    limits, cost = line.resources, line.expected
    return (
        line.id,
        line.action,
        str(limits.cpus),
        str(limits.gpus * limits.nodes),
        f"{limits.mem_gb:g} GB",
        format_duration(limits.time),
        f"~{duration(cost.cpu_seconds)}",
        f"{cost.disk_gb:.2g} GB" if cost.disk_gb >= 0.001 else "-",
        line.reason,
    )


def _total(made: Plan) -> str:
    running = sum(line.action == "run" for line in made.tasks)
    if not running:
        return f"Nothing to do: all {plural(len(made.tasks), 'task')} are done or under way."
    return (
        f"{running} of {plural(len(made.tasks), 'task')} to run: about "
        f"{duration(made.expected.cpu_seconds)} on 2 CPU cores, "
        f"{made.expected.disk_gb:.2g} GB on disk."
    )
