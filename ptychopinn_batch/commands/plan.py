"""`plan`: every task, whether it would run, why, and what it would take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from hpc.cost import Hours, at_most, hours_of, total_hours
from hpc.plan import Action, Decision
from hpc.record import Record
from hpc.resources import Resources, format_duration
from hpc.submission import plan_run
from ptychopinn_batch.commands.job import Job, executor_option, read_job, spec_options
from ptychopinn_batch.commands.text import columns, duration, plural
from ptychopinn_batch.pipeline.estimate import START, Cost, expected_cost, total_cost

HEAD = ("task", "action", "cpus", "gpus", "memory", "limit", "expected", "writes", "reason")
COST_HEAD = ("cost", "node-hours", "CPU-hours", "GPU-hours")

ESTIMATED_CORES = 2  # those that an estimate is for
GPU_SPEED = 20  # of one GPU, in those cores


class Line(Record):
    """One task of a plan. `at_most` is what it costs if it takes all of its time."""

    id: str
    stage: str
    key: str
    needs: tuple[str, ...]
    action: Action
    reason: str
    resources: Resources
    expected: Cost
    expected_hours: Hours
    at_most: Hours


class Plan(Record):
    """What `plan --json` prints. Costs are those of the tasks that run."""

    run: str
    folder: str
    profile: str | None
    tasks: tuple[Line, ...]
    expected: Cost
    expected_hours: Hours
    at_most: Hours
    scripts: tuple[str, ...]


@click.command()
@spec_options
@executor_option
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON, for programs.")
def plan(
    spec: Path,
    runs: Path,
    sets: tuple[str, ...],
    profile: str | None,
    executor: str | None,
    as_json: bool,
) -> None:
    """Show every task of a job SPEC, whether it would run and why. Nothing is written.

    For SLURM the scripts are shown that sbatch would be given; JOB1 stands for the id that the
    first of these jobs will have.

    Example: ptychopinn-batch plan fly64.yaml --set train.epochs=3
    """
    job = read_job(spec, runs, sets, profile, executor)
    made = describe(job, plan_run(job.run, job.tasks).decisions)
    click.echo(made.model_dump_json(indent=1) if as_json else "\n".join(_lines(job, made)))


def describe(job: Job, decisions: Sequence[Decision]) -> Plan:
    """A plan as it is shown."""
    tasks = tuple(map(_line, decisions))
    running = [line for line in tasks if line.action == "run"]
    return Plan(
        run=job.run.name,
        folder=str(job.run.folder),
        profile=job.loaded.profile,
        tasks=tasks,
        expected=total_cost(line.expected for line in running),
        expected_hours=total_hours(line.expected_hours for line in running),
        at_most=total_hours(line.at_most for line in running),
        scripts=tuple(_scripts(job, decisions)) if job.executor == "slurm" else (),
    )


def _scripts(job: Job, decisions: Sequence[Decision]) -> Iterator[str]:
    from hpc.slurm.preview import preview  # submitit: only where there are scripts

    tasks = [decision.task for decision in decisions if decision.action == "run"]
    there = {decision.task.id for decision in decisions if decision.action == "wait"}
    return preview(job.run, tasks, job.settings(), there)


def _line(decision: Decision) -> Line:
    task, expected = decision.task, expected_cost(decision.task)
    return Line(
        id=task.id,
        stage=task.stage,
        key=task.key,
        needs=task.needs,
        action=decision.action,
        reason=decision.reason,
        resources=task.resources,
        expected=expected,
        expected_hours=hours_of(task.resources, _seconds(expected, task.resources)),
        at_most=at_most(task),
    )


def _seconds(cost: Cost, held: Resources) -> float:
    """How long a task will roughly hold what it is given; only its work is shared by processors."""
    cores = held.cpus_of_node
    speed = held.nodes * (GPU_SPEED * held.gpus if held.gpus else cores / ESTIMATED_CORES)
    return START + max(0.0, cost.cpu_seconds - START) / speed


def _lines(job: Job, made: Plan) -> list[str]:
    return [line for section in _sections(job, made) for line in (*section, "")][:-1]


def _sections(job: Job, made: Plan) -> Iterator[Iterable[str]]:
    """The parts of the text; an empty line comes between them."""
    yield [f"Run {made.run} in {made.folder}{job.profile_note}"]
    yield columns(HEAD, map(_cells, made.tasks))
    yield [_total(made)]
    if any(line.action == "run" for line in made.tasks):
        yield columns(COST_HEAD, _cost_rows(made))
    for number, script in enumerate(made.scripts, 1):
        yield [f"--- JOB{number}", script.rstrip()]


def _cost_rows(made: Plan) -> Iterator[tuple[str, ...]]:
    yield "roughly", *_hours(made.expected_hours)
    yield "at most, all time limits used", *_hours(made.at_most)


def _hours(hours: Hours) -> tuple[str, ...]:
    return tuple(map(_figures, (hours.node, hours.cpu, hours.gpu)))


def _figures(value: float) -> str:
    if value >= 9.995:
        return f"{value:.0f}"
    return f"{value:.2g}" if value else "0"


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
