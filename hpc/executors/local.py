"""A queue on this machine: workers in processes of their own, the ledger between them and us.

Workers outlive this process if it is killed. The next submit adopts those that still run, and runs
again those that died meanwhile; so nothing here need be remembered beyond what the ledger holds.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hpc.cancel import requester
from hpc.causes import is_disk_full
from hpc.container import Container
from hpc.errors import UserError
from hpc.executors.base import Handle, known_tasks, worker_command
from hpc.executors.room import Room, usable_cpus, visible_gpus
from hpc.executors.watch import Adopted, Child, Watched, end_of
from hpc.lease import Lease
from hpc.ledger import (
    UNFINISHED,
    Blocked,
    CancelAsked,
    Ended,
    Entry,
    Queued,
    TaskState,
    append,
    folded_state,
    read_entries,
    read_state,
)
from hpc.paths import RunPaths
from hpc.plan import check_graph
from hpc.queue import TaskQueue
from hpc.ranks import RANK_VARIABLES
from hpc.resources import Resources
from hpc.retry import RetryPolicy, advise, needed_resources
from hpc.settings import Settings, write_settings
from hpc.slurm.profile import Profile
from hpc.submission import Submission, plan_run, record_submission, record_task
from hpc.task import Task
from hpc.threads import thread_limits
from hpc.trust import check_trusted
from hpc.worker import DEADLINE

__all__ = ["LocalExecutor", "LocalHandle"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalExecutor:
    """Runs tasks on this machine, as many at once as there is room for.

    `stage_limits` bounds the tasks of single stages; `grace` is the time in seconds between being
    asked to stop and being killed; `retry` says what is tried again by itself; a task that was not
    asked to stop may ask to be run again `requeues` times; with a `container`, they run in it.
    """

    room: Room = field(default_factory=Room.of_this_machine)
    stage_limits: Mapping[str, int] = field(default_factory=dict)
    grace: float = 30.0
    requeues: int = 20
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    container: Container | None = None  # that tasks run in

    def submit(
        self, run: RunPaths, tasks: Sequence[Task], only: Collection[str] | None = None
    ) -> LocalHandle:
        """Take the lock of the run, decide, write the plan; the work is done by polling.

        Raises LockedError naming the process that is at work on the run already, UserError where
        SLURM has some of its tasks.
        """
        check_graph(tasks)
        check_trusted(run)
        lease = Lease(run.lock, f"the run {run.name} is worked on", across_hosts=True)
        try:
            submission = plan_run(run, tasks, only)
            _check_all_ours(run, submission)
            write_settings(run, self._settings)
            record_submission(run, submission)
            return LocalHandle(self, run, submission, lease)
        except BaseException:
            lease.release()
            raise

    @property
    def _settings(self) -> Settings:
        limits = dict(self.stage_limits)
        profile = Profile(version=1, container=self.container)
        return Settings(executor="local", profile=profile, retry=self.retry, stage_limits=limits)


class LocalHandle(Handle):
    """A submission to this machine; it advances with every `poll`."""

    def __init__(
        self, settings: LocalExecutor, run: RunPaths, submission: Submission, lease: Lease
    ) -> None:
        self.decisions = submission.decisions
        self._settings = settings
        self._run = run
        self._lease = lease
        self._tasks = {decision.task.id: decision.task for decision in submission.decisions}
        done = {task.id for task in submission.of("skip")}
        self._queue = TaskQueue(list(self._tasks.values()), done)
        self._running: dict[str, Watched] = {}
        self._sizes = {task.id: self._size(task) for task in submission.of("run")}
        self._requeued: Counter[str] = Counter()
        self._stopping = False
        for task in submission.of("wait"):
            self._wait_for(task, submission.states[task.id])

    def poll(self) -> bool:
        """Collect what has ended, end what must, start what may; True when all is over."""
        for watched in tuple(self._running.values()):
            if watched.is_gone():
                self._finish(watched)
            else:
                self._watch(watched)
        if not self._stopping:
            self._start_ready()
        over = not self._running and (self._stopping or self._queue.is_empty)
        if over:
            self.close()
        return over

    def cancel(self, ids: Collection[str] | None = None) -> None:
        """Record the wish, signal those that run; raises UserError for a name that is no task."""
        chosen = known_tasks(self._run, self._tasks, ids)
        waiting = [name for name in chosen if self._queue.holds(name)]
        for name in waiting:
            self._record(name, CancelAsked(by=requester()))
            self._queue.take(name)
        for name in waiting:
            self._block_dependants(name)
        self._ask_to_stop(
            [self._running[name] for name in chosen if name in self._running], requester()
        )

    def interrupt(self) -> None:
        """End every worker, the deaf ones after the grace time; waiting tasks stay pending."""
        self._stopping = True
        self._ask_to_stop(tuple(self._running.values()), f"{requester()} (interrupted)")
        try:
            self.wait()
        except KeyboardInterrupt:  # a second Ctrl-C: no patience left
            for watched in self._running.values():
                watched.kill()
            self.wait()

    def close(self) -> None:
        """Let others submit to the run; workers go on."""
        self._lease.release()

    def _start_ready(self) -> None:
        """Start tasks in the order of the plan while there is room.

        A task that does not fit keeps what is free from those behind it, or it might wait for ever.
        """
        room = self._settings.room
        free = room
        for watched in self._running.values():
            free = free.without(room.need_of(watched.task.resources))
        for task in self._queue.ready():
            if free.tasks < 1 or free.cpus < 1:
                return
            if self._stage_is_full(task.stage):
                continue
            need = room.need_of(self._sizes[task.id])
            if not free.holds(need) or self._start(task):
                free = free.without(need)

    def _stage_is_full(self, stage: str) -> bool:
        limit = self._settings.stage_limits.get(stage)
        running = sum(watched.task.stage == stage for watched in self._running.values())
        return limit is not None and running >= limit

    def _start(self, task: Task) -> bool:
        """Start a worker, unless the task was cancelled while it waited."""
        state = read_state(self._run, task.id)
        if state.status == "cancelled":
            self._give_up(task.id)
            return False
        sized = self._sized(task)
        gpus = self._free_gpus()[: sized.resources.nodes * sized.resources.gpus]
        environment = _environment(sized, gpus)
        command = worker_command(self._run, task.id, self._settings.container)
        child = Child.start(sized, command, self._run.log(task.id), environment, gpus)
        self._queue.take(task.id)
        self._running[task.id] = child
        return True

    def _free_gpus(self) -> list[str]:
        taken = {name for watched in self._running.values() for name in watched.gpus}
        return [name for name in visible_gpus(os.environ) if name not in taken]

    def _wait_for(self, task: Task, state: TaskState) -> None:
        """Adopt the worker of a task that runs already; give up a task nobody can tell about."""
        if state.status == "running":
            self._queue.take(task.id)
            self._sizes[task.id] = self._size(task)
            self._running[task.id] = Adopted(self._run, self._sized(task), state)
        else:
            self._give_up(task.id)

    def _watch(self, watched: Watched) -> None:
        """Hold the worker to its time limit, and to a cancel that somebody else recorded."""
        ledger = self._run.ledger(watched.task.id)
        size = ledger.stat().st_size if ledger.exists() else 0
        if size != watched.ledger_size:
            watched.ledger_size = size
            if folded_state(ledger).cancel:
                watched.ask_to_stop(time.monotonic(), self._settings.grace)
        watched.enforce(time.monotonic(), self._settings.grace)

    def _ask_to_stop(self, workers: Collection[Watched], by: str) -> None:
        for watched in workers:
            self._record(watched.task.id, CancelAsked(by=by))
            watched.ask_to_stop(time.monotonic(), self._settings.grace)

    def _finish(self, watched: Watched) -> None:
        """An ended worker: complete its records and draw the consequences."""
        task = watched.task
        status = watched.reap()
        del self._running[task.id]
        end = end_of(watched, status, folded_state(self._run.ledger(task.id)))
        if end is not None:
            self._record(task.id, end)
        state = read_state(self._run, task.id)
        if state.done_key == task.key:
            self._queue.succeed(task.id)
        elif state.status == "running":  # another worker had it: wait for that one
            self._wait_for(task, state)
        elif watched.key != task.key and state.status not in ("cancelled", "unknown"):
            record_task(self._run, task, again=True)  # it ran with other settings
            self._queue.put_back(task.id)
        elif state.fault is not None and state.status != "cancelled":
            self._try_again(task, state)
        elif state.status == "requeued":
            self._requeue(task, state)
        else:
            self._give_up(task.id)

    def _sized(self, task: Task) -> Task:
        return task.model_copy(update={"resources": self._sizes[task.id]})

    def _size(self, task: Task) -> Resources:
        """What a task gets by what its earlier attempts came to."""
        entries = read_entries(self._run.ledger(task.id))
        return needed_resources(entries, task.resources, self._settings.retry)

    def _try_again(self, task: Task, state: TaskState) -> None:
        """Put a task that a fault ended back in the queue, unless that was done too often."""
        entries = read_entries(self._run.ledger(task.id))
        advice = advise(entries, task.resources, self._settings.retry)
        if advice is not None and advice.again:
            cause = advice.cause
            self._record(task.id, Queued(key=task.key, retry=state.fault, cause=cause))
            self._sizes[task.id] = self._size(task)
            self._queue.put_back(task.id)
            return
        if state.status == "requeued" and advice is not None:
            end = Ended(attempt=state.attempt, outcome="failed", cause=advice.cause)
            self._record(task.id, end)
        self._give_up(task.id)

    def _requeue(self, task: Task, state: TaskState) -> None:
        self._requeued[task.id] += 1
        if self._requeued[task.id] <= self._settings.requeues:
            self._queue.put_back(task.id)
            return
        cause = f"asked to be run again more than {self._settings.requeues} times"
        self._record(task.id, Ended(attempt=state.attempt, outcome="failed", cause=cause))
        self._give_up(task.id)

    def _give_up(self, task_id: str) -> None:
        self._queue.take(task_id)
        self._block_dependants(task_id)

    def _block_dependants(self, task_id: str) -> None:
        """Record of all that needs this task that it will not be started."""
        if self._stopping:
            return  # the next submit runs them
        status = read_state(self._run, task_id).status.replace("_", " ")
        for name in self._queue.fail(task_id):
            self._record(name, Blocked(cause=f"{task_id} {status}"))

    def _record(self, task_id: str, entry: Entry) -> None:
        """Write what only this process knows; on a full disk the settled state must do."""
        try:
            append(self._run.ledger(task_id), entry)
        except OSError as error:
            if not is_disk_full(error):
                raise
            _log.warning("not recorded, the disk is full: %s %s", task_id, entry)


def _check_all_ours(run: RunPaths, submission: Submission) -> None:
    """Two that start tasks would start some of them twice."""
    for task in submission.of("wait"):
        state = submission.states[task.id]
        if state.batch is not None and state.status in UNFINISHED:
            what = f"SLURM has tasks of this run ({task.id} {state.status})"
            mend = "Name the profile or executor it was submitted with, or cancel the run first"
            raise UserError(what, where=f"run {run.name}", mend=mend)


def _cpus_of_a_process(asked: Resources) -> int:
    """At most its share of this machine."""
    return max(1, min(asked.cpus, usable_cpus() // asked.processes))


def _environment(task: Task, gpus: Sequence[str]) -> dict[str, str]:
    """The environment of a worker; what the user has set is not touched."""
    limits = thread_limits(_cpus_of_a_process(task.resources))
    devices = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
    deadline = {DEADLINE: str(time.time() + task.resources.time.total_seconds())}
    # Workers are not ranks of whatever this process may be a rank of.
    ours = {name: value for name, value in os.environ.items() if name not in RANK_VARIABLES}
    return {**limits, **ours, **devices, **deadline}
