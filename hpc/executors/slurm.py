"""The executor that hands tasks to SLURM, where they go on whatever becomes of this process."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hpc.cancel import cancel_tasks
from hpc.errors import UserError
from hpc.executors.base import Handle, known_tasks
from hpc.lease import Lease
from hpc.ledger import read_states
from hpc.paths import RunPaths
from hpc.plan import check_graph
from hpc.retry import RetryPolicy
from hpc.settings import Settings, write_settings
from hpc.slurm.cancel import withdraw
from hpc.slurm.client import Slurm, SlurmError
from hpc.slurm.observe import LIVE, Observation, observe, record
from hpc.slurm.profile import Profile
from hpc.slurm.wave import Wave, send
from hpc.submission import Submission, plan_run, record_submission
from hpc.task import Task
from hpc.trust import check_trusted

__all__ = ["SlurmExecutor", "SlurmHandle"]

PATIENCE = 20.0  # seconds to wait for another submit, which takes that long at most
LOOK_EVERY = 3.0  # seconds between two questions to SLURM: it has others to answer


@dataclass(frozen=True)
class SlurmExecutor:
    """Runs tasks as job arrays on the cluster that `profile` describes.

    `stage_limits` bounds the tasks of single stages that run at once; `afterwards`: see `Settings`.
    """

    profile: Profile = field(default_factory=lambda: Profile(version=1))
    stage_limits: Mapping[str, int] = field(default_factory=dict)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    slurm: Slurm = field(default_factory=Slurm)
    afterwards: str | None = None

    def submit(
        self, run: RunPaths, tasks: Sequence[Task], only: Collection[str] | None = None
    ) -> SlurmHandle:
        """Decide on every task and hand over those that are to run; returns when SLURM has them.

        Raises UserError where the cluster's limits are exceeded, where SLURM does not answer or
        takes nothing at all; LockedError naming who is at work on the run already.
        """
        check_graph(tasks)
        check_trusted(run)
        what = f"the run {run.name} is worked on"
        with Lease(run.lock, what, wait=PATIENCE, across_hosts=True):
            seen = self._look(run, tasks)
            submission = plan_run(run, tasks, only)
            self._leave_queue(run, submission)
            write_settings(run, self._settings)
            record_submission(run, submission)
            wave = self._send(run, submission, seen)
        return SlurmHandle(run, submission, wave, self.slurm)

    @property
    def _settings(self) -> Settings:
        return Settings(
            executor="slurm",
            profile=self.profile,
            retry=self.retry,
            stage_limits=dict(self.stage_limits),
            afterwards=self.afterwards,
        )

    def _look(self, run: RunPaths, tasks: Sequence[Task]) -> Observation:
        """Complete the ledger by what SLURM says, before anything is decided."""
        seen = observe(run, read_states(run, (task.id for task in tasks)), self.slurm)
        if seen.trouble:
            raise _no_answer(run, seen.trouble)
        record(run, seen)
        return seen

    def _leave_queue(self, run: RunPaths, submission: Submission) -> None:
        """Give up the places of tasks that are queued anew, with changed settings."""
        tasks = submission.of("run")
        queued = [task.id for task in tasks if submission.states[task.id].status == "queued"]
        try:
            withdraw(run, queued, self.slurm)
        except SlurmError as error:
            raise _no_answer(run, error) from None

    def _send(self, run: RunPaths, submission: Submission, seen: Observation) -> Wave:
        tasks = submission.of("run")
        under_way = [t.id for t in submission.of("wait") if submission.states[t.id].status in LIVE]
        live = [batch for batch in seen.live_batches if batch.tasks]
        wave = send(
            run,
            tasks,
            self._settings,
            self.slurm,
            under_way=under_way,
            live=live,
            unguarded=bool(live) and len(live) == len(seen.live_batches),
        )
        if tasks and not wave.jobs:
            why = wave.trouble or "the queue has no room for them (max_jobs of the profile)"
            mend = "Mend it, then submit again; nothing was handed over"
            raise UserError(f"SLURM takes no jobs: {why}", where=f"run {run.name}", mend=mend)
        return wave


def _no_answer(run: RunPaths, trouble: object) -> UserError:
    what, mend = f"SLURM does not answer ({trouble})", "Try again in a while"
    return UserError(what, where=f"run {run.name}", mend=mend)


class SlurmHandle(Handle):
    """Tasks that SLURM has: they go on without this process, which only looks on."""

    def __init__(self, run: RunPaths, submission: Submission, wave: Wave, slurm: Slurm) -> None:
        self.decisions = submission.decisions
        self.wave = wave
        self._run = run
        self._slurm = slurm
        self._ids = [decision.task.id for decision in submission.decisions]
        self._looked = -LOOK_EVERY

    def poll(self) -> bool:
        """Whether all is over, and no steward left that might hand something over again."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return False
        self._looked = time.monotonic()
        seen = observe(self._run, read_states(self._run, self._ids), self._slurm)
        over = not any(state.status in LIVE for state in seen.states.values())
        return over and not seen.live_batches and seen.trouble is None

    def cancel(self, ids: Collection[str] | None = None) -> None:
        """Record the wish and tell SLURM; raises UserError for a name that is no task."""
        cancel_tasks(self._run, known_tasks(self._run, self._ids, ids))

    def interrupt(self) -> None:
        """Nothing to do: the jobs go on."""

    def close(self) -> None:
        """Nothing to give back: the lock of the run was held only to submit."""
