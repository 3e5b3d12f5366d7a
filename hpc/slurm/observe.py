"""What became of tasks that were handed to SLURM and could not tell it themselves.

The ledger comes first: SLURM is asked only about tasks that have not said that they are over. Its
word turns into a record, which whoever holds the lock of the run writes. What SLURM does not know
stays as it is for a while: it is never taken for done, and never submitted again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hpc.heartbeat import read_heartbeat
from hpc.ledger import Entry, TaskState, append, folded_state
from hpc.paths import RunPaths
from hpc.slurm.batches import Accepted, Batch, Batches, Void, read_batches
from hpc.slurm.client import Slurm, SlurmError
from hpc.slurm.judge import Sight, judge
from hpc.slurm.states import Report

__all__ = ["Observation", "is_looked_after", "observe", "record"]

VOID_AFTER = 120.0  # seconds until a batch that SLURM has never heard of was not taken
REQUEUED_WITHIN = 20.0  # seconds in which SLURM puts a job back whose node it has lost
ACCOUNTED_WITHIN = 15.0  # seconds by which sacct may lag behind

_LOG = "_log.out"  # submitit's files of what a job has printed

LIVE = ("queued", "running", "requeued")


@dataclass
class Observation:
    """States as SLURM completes them, and the records that are missing from the ledger."""

    states: dict[str, TaskState]
    missing: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    fates: list[Accepted | Void] = field(default_factory=list)
    live_batches: tuple[Batch, ...] = ()
    trouble: str | None = None  # why SLURM could not be asked


def observe(
    run: RunPaths, states: Mapping[str, TaskState], slurm: Slurm | None = None
) -> Observation:
    """Ask SLURM about tasks that it has; writes nothing. Not to be reached: all as recorded."""
    seen = Observation(dict(states))
    live = {name: state for name, state in states.items() if state.batch and state.status in LIVE}
    if not live and not run.batch_folder.exists():
        return seen
    batches = read_batches(run)
    lost = {name: s for name, s in live.items() if s.batch not in batches.known}
    seen.states |= {name: _without_batch(run, state) for name, state in lost.items()}
    wanted = _wanted(batches, live)
    if not wanted:
        return seen
    slurm = slurm or Slurm()
    try:
        reports = _reports(run, slurm, batches, wanted, live)
    except SlurmError as error:
        seen.trouble = str(error)
        return seen
    seen.fates = reports.fates
    seen.live_batches = tuple(b for b in wanted if reports.is_live(batches, b))
    for name, state in live.items():
        if state.batch in batches.known:
            _look(run, seen, name, state, _sight(run, slurm, batches, reports, name, state))
    return seen


def is_looked_after(run: RunPaths) -> bool:
    """Whether SLURM has a job of the run: tasks, or the steward who will try failed ones again."""
    if not (run.batch_folder.exists() and Slurm.is_here()):
        return False
    seen = observe(run, {}, Slurm(tries=1))
    return bool(seen.live_batches) or seen.trouble is not None  # a busy SLURM is asked again


def _without_batch(run: RunPaths, state: TaskState) -> TaskState:
    """A task that SLURM has, but of which it is not known any more as what."""
    file = run.batch(str(state.batch))
    cause = f"{file} is gone or damaged; cancel the task, then submit again"
    return state._replace(status="unknown", cause=cause)


def record(run: RunPaths, seen: Observation) -> None:
    """Write what was missing; the caller holds the lock of the run."""
    if seen.fates:
        batches = Batches(run)
        for fate in seen.fates:
            batches.settle(fate)
    for name, entries in seen.missing.items():
        for entry in entries:
            append(run.ledger(name), entry)


def _look(run: RunPaths, seen: Observation, name: str, state: TaskState, sight: Sight) -> None:
    judged, entries = judge(state, sight)
    if entries:
        again = folded_state(run.ledger(name))  # it may have told its end since we read
        if again != state:
            seen.states[name] = again
            return
        seen.missing[name] = entries
    seen.states[name] = judged


@dataclass
class _Logs:
    """What jobs have printed. The folder is read once: all tasks of a run may fail to begin."""

    folder: Path

    def of(self, job: str | None) -> Sequence[Path]:
        return self._files.get(job or "", ())

    @cached_property
    def _files(self) -> Mapping[str, list[Path]]:
        """By job; a file's name is JOB_RANK_log.out."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.folder.glob(f"*{_LOG}")):
            job = path.name.removesuffix(_LOG).rpartition("_")[0]
            found.setdefault(job, []).append(path)
        return found


@dataclass
class _Reports:
    """The answers of squeue and sacct; `accounted` is None where there was none of the latter.

    `mute`: there is accounting, but it does not answer now; `logs`: what the jobs said themselves.
    """

    queued: dict[str, Report]
    accounted: dict[str, Report] | None
    mute: bool
    fates: list[Accepted | Void]
    now: float
    logs: _Logs

    def of(self, job: str | None) -> tuple[Report | None, bool]:
        """What is said of a job, and whether that is final."""
        told = (self.accounted or {}).get(job or "")
        if told is not None and told.phase != "over":
            told = None  # what waits or runs is in squeue: sacct is late, or was never told the end
        report = self.queued.get(job or "") or told
        if report is None or report.phase != "over":
            return report, False
        if told is not None:
            told = told._replace(reason=report.reason or told.reason)
            return told, self._is_settled(told)  # it knows the steps, and who cancelled
        age = self._age(report)
        confirmed = self.accounted is None or age >= ACCOUNTED_WITHIN
        return report, confirmed and self._is_settled(report)

    def is_live(self, batches: Batches, batch: Batch) -> bool:
        """Whether some job of a batch waits or runs, by what squeue says."""
        job = batches.job(batch.token)
        mine = (r for r in self.queued.values() if r.job.partition("_")[0] == job)
        return any(report.phase != "over" for report in mine)

    def _is_settled(self, report: Report) -> bool:
        """Whether SLURM has had its time to put the job back in the queue."""
        returns = report.state in ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED")
        return not returns or self._age(report) >= REQUEUED_WITHIN

    def _age(self, report: Report) -> float:
        return self.now - report.ended.timestamp() if report.ended else float("inf")


def _sight(
    run: RunPaths, slurm: Slurm, batches: Batches, reports: _Reports, name: str, state: TaskState
) -> Sight:
    batch = batches.known[str(state.batch)]
    job = batches.element(batch.token, name)
    report, final = reports.of(job)
    beat = read_heartbeat(run.heartbeat(name))
    signs = (batch.at, state.started or 0.0, beat.at if beat else 0.0)
    lost = report.nodes if final and report and report.state in ("NODE_FAIL", "BOOT_FAIL") else ""
    return Sight(
        job=job,
        report=report,
        final=final,
        quiet=0.0 if reports.mute else reports.now - max(signs),
        batch=batch,
        void=batches.is_void(batch.token),
        lost=_lost(slurm, lost),
        said=_last_words(reports.logs.of(job)) if final and state.status == "queued" else "",
    )


def _last_words(logs: Iterable[Path]) -> str:
    """What a job printed last whose worker never began: mostly why it did not."""
    lines: list[str] = []
    for log in logs:
        lines += [line for line in _tail(log).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("srun: launch", "srun: Job step"))]
    return telling[-1][:300] if telling else ""


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4000))
        return file.read().decode(errors="replace")


def _lost(slurm: Slurm, nodes: str) -> tuple[str, ...]:
    """Those of a job's nodes that are to blame for its end."""
    if "[" not in nodes and "," not in nodes:
        return (nodes,) if nodes else ()
    try:
        return slurm.lost_nodes(nodes)
    except SlurmError:
        return ()


def _wanted(batches: Batches, live: Mapping[str, TaskState]) -> list[Batch]:
    """The batches to ask about: of live tasks, of unknown fate, and stewards."""
    tokens = {state.batch for state in live.values()}
    unknown = {batch.token for batch in batches.open()}
    return [
        batch
        for token, batch in batches.known.items()
        if token in tokens | unknown or (batch.is_steward and not batches.is_void(token))
    ]


def _reports(
    run: RunPaths,
    slurm: Slurm,
    batches: Batches,
    wanted: Iterable[Batch],
    live: Mapping[str, TaskState],
) -> _Reports:
    wanted = list(wanted)
    queued = {report.job: report for report in slurm.queued([batch.name for batch in wanted])}
    now = time.time()
    fates = list(_fates(slurm, batches, queued.values(), now))
    for fate in fates:
        batches.fates[fate.token] = fate
    doubtful = [job for job in _elements(batches, live) if _needs_accounting(queued.get(job))]
    accounted, mute = _accounted(slurm, doubtful)
    if accounted is None:
        queued |= {r.job: r for job in doubtful if job in queued for r in slurm.shown(job)}
    return _Reports(queued, accounted, mute, fates, now, _Logs(run.slurm_log_folder))


def _needs_accounting(report: Report | None) -> bool:
    return report is None or report.phase == "over"


def _elements(batches: Batches, live: Mapping[str, TaskState]) -> list[str]:
    found = (batches.element(str(state.batch), name) for name, state in live.items())
    return [job for job in found if job is not None]


def _accounted(slurm: Slurm, jobs: list[str]) -> tuple[dict[str, Report] | None, bool]:
    """What sacct says, None for no answer; and whether there is an answer to be had later."""
    if not jobs:
        return {}, False
    try:
        return {report.job: report for report in slurm.accounted(jobs)}, False
    except SlurmError as error:
        return None, not error.no_accounting


def _fates(
    slurm: Slurm, batches: Batches, reports: Iterable[Report], now: float
) -> Iterable[Accepted | Void]:
    """What became of batches whose submitter died, or did not learn it."""
    jobs = {report.name: report.job.partition("_")[0] for report in reports}
    for batch in batches.open():
        job, certain = jobs.get(batch.name), True
        if job is None:
            job, certain = _accounted_job(slurm, batch)
        if job:
            yield Accepted(token=batch.token, job=job)
        elif certain and now - batch.at > VOID_AFTER:
            yield Void(token=batch.token, cause="SLURM has never heard of it")


def _accounted_job(slurm: Slurm, batch: Batch) -> tuple[str | None, bool]:
    """The job of this name, if squeue has forgotten it already; and whether that is certain."""
    try:
        found = slurm.accounted_by_name(batch.name, batch.at - 3600)
    except SlurmError as error:
        return None, error.no_accounting
    return next((report.job.partition("_")[0] for report in found), None), True
