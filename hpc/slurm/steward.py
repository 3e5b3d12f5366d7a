"""The job that SLURM starts when all arrays of a wave are over, whatever came of them.

It takes the place of a daemon: it completes the ledger by what SLURM says, and hands over once more
what a fault ended, what waited behind it, and what the queue had no room for. Run as
`python -m hpc.slurm.steward --runs DIR --run NAME`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from hpc.fsio import read_json
from hpc.lease import Lease
from hpc.ledger import TaskState, read_entries, read_states
from hpc.paths import RunPaths
from hpc.retry import advise
from hpc.settings import Settings, read_settings
from hpc.slurm.batches import Batch, read_batches
from hpc.slurm.client import Slurm
from hpc.slurm.observe import LIVE, Observation, observe, record
from hpc.slurm.wave import Again, Wave, send
from hpc.submission import PlannedTask, RunPlan, read_plan
from hpc.task import Task

__all__ = ["due", "look_after", "main", "tell"]

PATIENCE = 600.0  # seconds to wait for SLURM's last word on jobs that are over
LEASE_WAIT = 600.0  # seconds to wait for a submit that is at work on the run
INTERVAL = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Look after the run named on the command line, once."""
    parser = argparse.ArgumentParser(prog="python -m hpc.slurm.steward", description=__doc__)
    parser.add_argument("--runs", required=True, type=Path, help="folder of all runs")
    parser.add_argument("--run", required=True, help="name of the run")
    options = parser.parse_args(arguments)
    run = RunPaths(options.runs, options.run)
    what = f"the run {run.name} is worked on"
    with Lease(run.lock, what, wait=LEASE_WAIT, across_hosts=True):
        wave = look_after(run, Slurm(), own_job=os.environ.get("SLURM_JOB_ID"))
    tell(run)
    for token, job in wave.jobs.items():
        print(f"batch {token}: job {job}")
    if wave.trouble:
        print(f"{len(wave.left)} tasks could not be handed over: {wave.trouble}", file=sys.stderr)
    return 1 if wave.trouble else 0


def look_after(run: RunPaths, slurm: Slurm, own_job: str | None = None) -> Wave:
    """Complete the ledger and hand over what is due; the caller holds the lock of the run.

    own_job: the job of this very steward, where it is one.
    """
    plan, settings = read_plan(run), read_settings(run)
    seen = _settled(run, plan, slurm)
    record(run, seen)
    again = dict(_again(run, seen.states, settings))
    names = due(plan, seen.states, again)
    for name in names:
        print(f"{name}: {again[name].cause if name in again else 'again'}")
    return send(
        run,
        [read_json(run.task(name), Task) for name in names],
        settings,
        slurm,
        under_way=[name for name, state in seen.states.items() if state.status in LIVE],
        live=[batch for batch in seen.live_batches if batch.tasks],
        again=again,
        unguarded=_are_unguarded(run, seen.live_batches, own_job),
    )


def _are_unguarded(run: RunPaths, live: Sequence[Batch], own_job: str | None) -> bool:
    """Whether SLURM has arrays and no other steward: one that lost its node may have sent them."""
    batches = read_batches(run)
    others = [batch for batch in live if batches.job(batch.token) != own_job]
    return any(batch.tasks for batch in live) and not any(batch.is_steward for batch in others)


def tell(run: RunPaths) -> None:
    """Give the run to whom its settings name. Nothing depends on that: it can fail without harm."""
    try:
        if entry := read_settings(run).afterwards:
            module, _, name = entry.partition(":")
            cast(Callable[[RunPaths], None], getattr(importlib.import_module(module), name))(run)
    except Exception as error:
        print(f"afterwards: {type(error).__name__}: {error}", file=sys.stderr)


def due(plan: RunPlan, states: Mapping[str, TaskState], again: Mapping[str, Again]) -> list[str]:
    """The tasks to be handed over now, in plan order: all that they need is done or on its way.

    Those are the tasks in `again`, those that wait or are blocked, and those that ran with settings
    which have been changed since, unless the user has cancelled them. Pure.
    """
    good: set[str] = set()
    chosen: list[str] = []
    for task in plan.tasks:
        state = states[task.id]
        if state.done_key == task.key or state.status in LIVE:
            good.add(task.id)
        elif good.issuperset(task.needs) and _is_due(task, state, task.id in again):
            good.add(task.id)
            chosen.append(task.id)
    return chosen


def _is_due(task: PlannedTask, state: TaskState, again: bool) -> bool:
    changed = state.key is not None and state.key != task.key
    if task.action == "skip":  # the user left it alone: what was handed over before goes on
        return not changed and (again or state.status == "blocked")
    if changed and state.status not in ("unknown", "cancelled"):
        return True
    return again or state.status in ("pending", "blocked")


def _settled(run: RunPaths, plan: RunPlan, slurm: Slurm) -> Observation:
    """What SLURM says, once it has said its last word on every job that is over."""
    deadline = time.monotonic() + PATIENCE
    names = [task.id for task in plan.tasks]
    while True:
        seen = observe(run, read_states(run, names), slurm)
        running = {batch.token for batch in seen.live_batches}
        live = (state for state in seen.states.values() if state.batch and state.status in LIVE)
        doubtful = seen.trouble or any(state.batch not in running for state in live)
        if not doubtful or time.monotonic() > deadline:
            return seen
        time.sleep(INTERVAL)


def _again(
    run: RunPaths, states: Mapping[str, TaskState], settings: Settings
) -> Iterator[tuple[str, Again]]:
    """The tasks that a fault ended and that are tried again, and why."""
    for name, state in states.items():
        if state.fault is None or state.status not in ("failed", "timed_out", "killed"):
            continue
        task = read_json(run.task(name), Task)
        ceiling = settings.profile.limits(task.stage)
        advice = advise(read_entries(run.ledger(name)), task.resources, settings.retry, ceiling)
        if advice is not None and advice.again:
            yield name, Again(state.fault, advice.cause)


if __name__ == "__main__":
    sys.exit(main())
