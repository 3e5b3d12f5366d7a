"""Handing tasks to SLURM: arrays that wait for each other, and behind them all a steward.

A batch is on disk, and its tasks are queued in the ledger, before sbatch is called: whoever is
killed in between leaves a state that the next observation reads rightly.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import takewhile

from hpc.ledger import Entry, Fault, Queued, append, folded_state, read_entries
from hpc.paths import RunPaths
from hpc.resources import Resources
from hpc.retry import needed_resources, shunned_nodes
from hpc.settings import Settings
from hpc.slurm.arrays import Array, Shape, arrays_of
from hpc.slurm.batches import STEWARD, Accepted, Batch, Batches, Void, new_token, read_batches
from hpc.slurm.client import Slurm, SlurmError
from hpc.slurm.script import job_name, steward_script, task_script
from hpc.task import Task

__all__ = ["STEWARD_RESOURCES", "Again", "Wave", "arrays_for", "send"]

STEWARD_RESOURCES = Resources(time=timedelta(minutes=30), mem_gb=1.0, cpus=1, gpus=0)
MANY = 50  # tasks of an earlier array that are waited for one by one; beyond, for all of it
LOOKS = 3  # at the queue, for a job that sbatch did not confirm
PAUSE = 2.0  # seconds between them


@dataclass(frozen=True)
class Again:
    """Why a task is handed over once more."""

    fault: Fault | None
    cause: str


@dataclass
class Wave:
    """What became of a submission: jobs by batch, tasks that are left for later, and why."""

    jobs: dict[str, str] = field(default_factory=dict)
    left: list[Task] = field(default_factory=list)
    trouble: str | None = None
    guarded: bool = True  # a steward is behind the arrays


def send(
    run: RunPaths,
    tasks: Sequence[Task],
    settings: Settings,
    slurm: Slurm,
    *,
    under_way: Iterable[str] = (),
    live: Sequence[Batch] = (),
    again: Mapping[str, Again] | None = None,
    unguarded: bool = False,
) -> Wave:
    """Hand over tasks, every need before its task; the caller holds the lock of the run.

    `under_way` are tasks that SLURM has already, in the batches `live`; `unguarded` when no steward
    is behind these, since their submitter was killed.
    """
    sender = _Sender(run, settings, slurm, read_batches(run), again or {})
    tasks, later = _as_many_as_fit(tasks, settings, live)
    arrays = arrays_for(run, tasks, settings, under_way)
    wave = Wave(left=later)
    tokens: list[str] = []
    for number, array in enumerate(arrays):
        if not sender.send_array(array, tokens, wave):
            wave.left[:0] = [task for rest in arrays[number:] for task in rest.tasks]
            break
    if wave.jobs or unguarded:
        sender.send_steward(live, wave)
    return wave


def arrays_for(
    run: RunPaths, tasks: Sequence[Task], settings: Settings, under_way: Iterable[str]
) -> list[Array]:
    """The arrays that tasks are handed over in, each of tasks that get the same."""
    return arrays_of(
        tasks,
        lambda task: _shape_of(run, task, settings),
        size=settings.profile.array_size,
        limits=settings.stage_limits,
        under_way=under_way,
    )


def _shape_of(run: RunPaths, task: Task, settings: Settings) -> Shape:
    """What a task gets by what its earlier attempts came to."""
    entries = read_entries(run.ledger(task.id))
    ceiling = settings.profile.limits(task.stage)
    resources = needed_resources(entries, task.resources, settings.retry, ceiling)
    return Shape(resources, shunned_nodes(entries))


@dataclass
class _Sender:
    run: RunPaths
    settings: Settings
    slurm: Slurm
    batches: Batches
    again: Mapping[str, Again]

    def send_array(self, array: Array, tokens: list[str], wave: Wave) -> bool:
        """Hand over one array and note its token; False where the wave must end here."""
        token = new_token()
        after = [*(wave.jobs[tokens[number]] for number in array.after), *self._behind(array)]
        script = task_script(
            self.run,
            self.settings.profile,
            stage=array.stage,
            token=token,
            shape=array.shape,
            count=len(array.tasks),
            parallel=array.parallel,
            after=after,
        )
        batch = self._batch(token, array.stage, array.shape.resources, script, array.tasks)
        self.batches.add(batch)
        for task in array.tasks:
            append(self.run.ledger(task.id), self._queued(task, token))
        tokens.append(token)
        return self._hand_over(batch, wave, array.tasks)

    def send_steward(self, live: Sequence[Batch], wave: Wave) -> None:
        """The job that looks after all that is under way, when it is over."""
        earlier = (self.batches.job(batch.token) for batch in live if not batch.is_steward)
        after = [*wave.jobs.values(), *(job for job in earlier if job)]
        token, resources = new_token(), STEWARD_RESOURCES
        script = steward_script(
            self.run, self.settings.profile, token=token, resources=resources, after=after
        )
        batch = self._batch(token, STEWARD, resources, script, ())
        self.batches.add(batch)
        wave.guarded = self._hand_over(batch, wave, ())

    def _behind(self, array: Array) -> list[str]:
        """Jobs of earlier waves that the array waits for."""
        waiting: dict[str, list[str]] = {}
        for task in array.behind:
            token = folded_state(self.run.ledger(task)).batch
            if token and self.batches.element(token, task):
                waiting.setdefault(token, []).append(task)
        return [job for token, names in waiting.items() for job in self._elements(token, names)]

    def _elements(self, token: str, names: Sequence[str]) -> list[str]:
        if len(names) > MANY:
            return [str(self.batches.job(token))]
        return [str(self.batches.element(token, name)) for name in names]

    def _batch(
        self, token: str, stage: str, resources: Resources, script: str, tasks: Sequence[Task]
    ) -> Batch:
        return Batch(
            token=token,
            name=job_name(self.run, stage, token),
            stage=stage,
            tasks=tuple(task.id for task in tasks),
            resources=resources,
            script=script,
        )

    def _queued(self, task: Task, token: str) -> Queued:
        why = self._why(task)
        if why is None:
            return Queued(key=task.key, batch=token)
        return Queued(key=task.key, batch=token, retry=why.fault, cause=why.cause)

    def _why(self, task: Task) -> Again | None:
        """Why it is handed over again; a retry that has not come about yet stays one."""
        return self.again.get(task.id) or _waiting_retry(read_entries(self.run.ledger(task.id)))

    def _hand_over(self, batch: Batch, wave: Wave, tasks: Sequence[Task]) -> bool:
        """Call sbatch, and find out what it did where it does not say."""
        self.run.slurm_log_folder.mkdir(parents=True, exist_ok=True)
        try:
            job = self.slurm.submit(self.run.batch_script(batch.token))
        except SlurmError as error:
            found = self._find(batch, LOOKS if error.busy else 1)
            if found is None:
                wave.trouble = str(error)
                self._refused(batch, error, tasks)
                return False
            job = found
        self.batches.settle(Accepted(token=batch.token, job=job))
        wave.jobs[batch.token] = job
        return True

    def _find(self, batch: Batch, looks: int) -> str | None:
        """The job of a batch that sbatch did not confirm, should SLURM have it after all."""
        for look in range(looks):
            time.sleep(PAUSE if look else 0)
            try:
                jobs = [report.job for report in self.slurm.queued([batch.name])]
            except SlurmError:  # it was asked several times already
                return None
            if jobs:
                return jobs[0].partition("_")[0]
        return None

    def _refused(self, batch: Batch, error: SlurmError, tasks: Sequence[Task]) -> None:
        """A plain no makes the batch void. Else SLURM may have it yet: time will tell."""
        if error.busy:
            return
        self.batches.settle(Void(token=batch.token, cause=str(error)))
        for task in tasks:
            retry = folded_state(self.run.ledger(task.id)).retry  # tries are counted on
            append(self.run.ledger(task.id), Queued(key=task.key, retry=retry, cause=str(error)))


def _waiting_retry(entries: Sequence[Entry]) -> Again | None:
    """The retry that a task waits for, as it was decided: refusals since then are of no weight."""
    queued = takewhile(lambda entry: isinstance(entry, Queued), reversed(entries))
    waits = takewhile(lambda entry: entry.retry, (e for e in queued if isinstance(e, Queued)))
    return next((Again(e.retry, e.cause or "") for e in reversed(list(waits))), None)


def _as_many_as_fit(
    tasks: Sequence[Task], settings: Settings, live: Sequence[Batch]
) -> tuple[Sequence[Task], list[Task]]:
    """The first tasks, as many as one may have in the queue beside the steward; and the others."""
    most = settings.profile.max_jobs
    if most is None:
        return tasks, []
    there = sum(max(1, len(batch.tasks)) for batch in live)
    room = max(0, most - 1 - there)
    return tasks[:room], list(tasks[room:])
