"""The process that SLURM starts for one element of an array: which task it is, may it run.

Started by srun, once for every rank, as `python -m hpc.slurm.worker --runs DIR --run NAME --batch
TOKEN`. Its element may be out of date: the ledger says in which batch a task is queued, and a job
of any other batch does nothing. Its needs may have failed, for arrays wait only until those before
them are over. Its job may have been here before, and have died without a word.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc.fsio import read_json
from hpc.ledger import (
    UNFINISHED,
    Blocked,
    Ended,
    Entry,
    Fault,
    TaskState,
    append,
    folded_state,
    read_entries,
)
from hpc.paths import RunPaths
from hpc.process import this_host
from hpc.ranks import Ranks
from hpc.retry import advise, shunned_nodes
from hpc.settings import Settings, read_settings
from hpc.slurm.batches import Batch
from hpc.slurm.client import Slurm, SlurmError
from hpc.slurm.observe import LIVE
from hpc.stopwish import StopWish
from hpc.task import Task
from hpc.threads import thread_limits
from hpc.worker import Exit, follow_task, log_to, reporting, run_task

__all__ = ["Job", "main"]

EARLY = 60.0  # seconds by which SLURM may send its signal too early
ELSEWHERE_WAIT = 600.0  # seconds to wait for being put back in the queue


@dataclass(frozen=True)
class Job:
    """One element of a batch, on the node where it runs."""

    run: RunPaths
    batch: Batch
    task_id: str
    id: str  # as SLURM's commands take it
    slurm: Slurm

    @classmethod
    def here(cls, run: RunPaths, token: str, environment: Mapping[str, str]) -> Job:
        """The job this process is part of, by what SLURM has put into its environment."""
        batch = read_json(run.batch(token), Batch)
        element = environment["SLURM_ARRAY_TASK_ID"]
        job = f"{environment['SLURM_ARRAY_JOB_ID']}_{element}"
        return cls(run, batch, batch.tasks[int(element)], job, Slurm())

    @property
    def ledger(self) -> Path:
        return self.run.ledger(self.task_id)

    def is_current(self) -> bool:
        """Whether the task is queued in this very batch, and not over.

        "killed" is what this job has come to before, when SLURM has put it back in the queue.
        """
        state = folded_state(self.ledger)
        return state.batch == self.batch.token and state.status in (*LIVE, "killed")

    def unmet(self) -> str | None:
        """The first need that is not done, with what became of it."""
        task = read_json(self.run.task(self.task_id), Task)
        read = dict(zip(task.needs, task.need_keys, strict=False))  # not what only has to agree
        for need in task.needs:
            key = read.get(need) or read_json(self.run.task(need), Task).key
            state = folded_state(self.run.ledger(need))
            if state.done_key != key:
                # What runs by its records has died: whoever asks SLURM records how.
                ended = state.status not in UNFINISHED
                return f"{need} {state.status.replace('_', ' ') if ended else 'not done'}"
        return None

    def fault_of(self, task: Task, seconds: float) -> Fault:
        """Why SLURM asks to stop: the time is nearly up, or it wants the node for another job."""
        lead = read_settings(self.run).profile.signal_s + EARLY
        left = self.batch.resources.time.total_seconds() - seconds
        return "time" if left <= lead else "preemption"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the element of an array; the exit status is one of `hpc.worker.Exit`."""
    parser = argparse.ArgumentParser(prog="python -m hpc.slurm.worker", description="Run one task.")
    parser.add_argument("--runs", required=True, type=Path, help="folder of all runs")
    parser.add_argument("--run", required=True, help="name of the run")
    parser.add_argument("--batch", required=True, help="token of the batch")
    options = parser.parse_args(arguments)
    job = Job.here(RunPaths(options.runs, options.run), options.batch, os.environ)
    return reporting(lambda: work(job, Ranks.of(os.environ)))


def work(job: Job, ranks: Ranks) -> int:
    """Run one rank of the task, unless there is a reason not to. All ranks see the same reasons."""
    stop = StopWish(job.ledger)
    stop.listen()
    for name, value in thread_limits(job.batch.resources.cpus).items():
        os.environ.setdefault(name, value)
    if not job.is_current():
        print(f"{job.task_id} is not queued in batch {job.batch.token} any more: nothing to do")
        return Exit.DONE
    unmet = job.unmet()
    if ranks.rank > 0:
        log_to(job.run.log(job.task_id))
        return Exit.DONE if unmet else follow_task(job.run, job.task_id, ranks, stop=stop)
    if unmet:
        append(job.ledger, Blocked(cause=unmet))
        return Exit.DONE
    return _first_rank(job, stop)


def _first_rank(job: Job, stop: StopWish) -> int:
    settings = read_settings(job.run)
    state = folded_state(job.ledger)
    if state.status == "running":
        end = _death(job, state)
        given_up = _given_up(job, settings, [*read_entries(job.ledger), end])
        append(job.ledger, end.model_copy(update={"cause": given_up}) if given_up else end)
        if given_up:
            return Exit.FAILED
    if this_host() in shunned_nodes(read_entries(job.ledger)):
        return _go_elsewhere(job)
    log_to(job.run.log(job.task_id))
    code = run_task(job.run, job.task_id, stop=stop, fault_of=job.fault_of)
    return _requeue(job, settings) if code == Exit.REQUEUED else code


def _death(job: Job, state: TaskState) -> Ended:
    """How the attempt before this one ended, which SLURM has put back in the queue."""
    host = state.host or "its node"
    try:
        past = [report.state for report in job.slurm.past_records(job.id)]
    except SlurmError:
        past = []
    known = [word for word in past if word in ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REQUEUED")]
    match known[-1] if known else "":
        case "NODE_FAIL" | "BOOT_FAIL":
            cause, lost = f"a node was lost: {host}", (host,)
            return _ended(state, "node", cause, lost)
        case "PREEMPTED":
            return _ended(state, "preemption", "pushed out by a more important job")
        case "REQUEUED":
            return _ended(state, "preemption", "put back in the queue by hand")
    return _ended(state, "preemption", "put back in the queue by SLURM, which does not say why")


def _ended(state: TaskState, fault: Fault, cause: str, nodes: tuple[str, ...] = ()) -> Ended:
    return Ended(attempt=state.attempt, outcome="killed", fault=fault, cause=cause, nodes=nodes)


def _go_elsewhere(job: Job) -> int:
    """Leave a node that was lost under this task before."""
    shunned = shunned_nodes(read_entries(job.ledger))
    print(f"{job.task_id}: {this_host()} was lost before, so the job waits for another node")
    job.slurm.requeue(job.id)
    job.slurm.exclude(job.id, shunned)
    time.sleep(ELSEWHERE_WAIT)  # SLURM ends us
    return Exit.REQUEUED


def _requeue(job: Job, settings: Settings) -> int:
    """Put the job back in the queue, if that is for us to do and its tries are not used up."""
    given_up = _given_up(job, settings, read_entries(job.ledger))
    if given_up:
        attempt = folded_state(job.ledger).attempt
        append(job.ledger, Ended(attempt=attempt, outcome="failed", cause=given_up))
        return Exit.FAILED
    try:
        if folded_state(job.ledger).status == "requeued" and _is_ours(job):
            job.slurm.requeue(job.id)
    except SlurmError as error:  # the steward does it
        print(f"{job.task_id} could not be put back in the queue: {error}", file=sys.stderr)
    return Exit.REQUEUED


def _given_up(job: Job, settings: Settings, entries: Sequence[Entry]) -> str | None:
    """Why the task is not tried again, by all its records; None where it is."""
    asked = read_json(job.run.task(job.task_id), Task).resources
    advice = advise(entries, asked, settings.retry, settings.profile.limits(job.batch.stage))
    return None if advice is None or advice.again else advice.cause


def _is_ours(job: Job) -> bool:
    """Whether the job runs on: one that is cancelled, or requeued by SLURM, is SLURM's."""
    return any(report.state == "RUNNING" for report in job.slurm.shown(job.id))


if __name__ == "__main__":
    sys.exit(main())
