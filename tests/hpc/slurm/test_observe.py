"""What became of tasks that could not tell it: SLURM's word, never more than it says."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.heartbeat import HeartbeatWriter
from hpc.ledger import (
    CancelAsked,
    Ended,
    Entry,
    Fault,
    Queued,
    Started,
    TaskState,
    append,
    fold,
    read_entries,
    read_state,
    read_states,
)
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.resources import Resources
from hpc.slurm.batches import Accepted, Batch, Batches, Void, read_batches
from hpc.slurm.client import SlurmError
from hpc.slurm.judge import Sight, judge
from hpc.slurm.observe import Observation, observe, record
from hpc.slurm.states import OVER, RUNNING, WAITING, Report
from hpc.task import Task

Make = Callable[..., Task]

THERE = Process(host="n1", pid=7, started="x")
RESOURCES = Resources(time=timedelta(hours=2), mem_gb=8, cpus=1, gpus=0)
BATCH = Batch(
    token="t0",
    name="demo.stage.t0",
    stage="stage",
    tasks=("a", "b"),
    resources=RESOURCES,
    script="true\n",
)
STATUSES = ("queued", "running", "requeued")
LONG_AGO = 3600.0


def records(status: str, fault: Fault | None = "time") -> list[Entry]:
    """What the ledger says of a task that SLURM has."""
    entries: list[Entry] = [Queued(key="k", batch="t0")]
    if status != "queued":
        entries.append(Started(attempt=1, key="k", process=THERE, job="12_0"))
    if status == "requeued":
        entries.append(Ended(attempt=1, outcome="requeued", fault=fault, cause="state saved"))
    return entries


def recorded(status: str, *more: Entry) -> TaskState:
    state = fold([*records(status), *more])
    assert state.status == status
    return state


def sight(state: str | None, *, final: bool = True, quiet: float = 0, **more: object) -> Sight:
    """A look at job 12_0 in this state of SLURM's; None where SLURM does not know the job."""
    lost = more.pop("lost", ())
    void, job = bool(more.pop("void", False)), more.pop("job", "12_0")
    fields = {"nodes": "n1", "exit_code": "0:0", **more}
    report = Report("12_0", BATCH.name, state, **fields) if state is not None else None
    return Sight(
        job=job, report=report, final=final, quiet=quiet, batch=BATCH, void=void, lost=lost
    )


# A job that is over

BEGUN_NOT = "the worker did not begin: job 12_0 ended ("
NO_RECORD = "job 12_0 ended ("


@pytest.mark.parametrize(
    ("said", "status", "outcome", "fault", "cause"),
    [
        ("COMPLETED", "queued", "failed", None, BEGUN_NOT + "COMPLETED"),
        ("COMPLETED", "running", "killed", None, NO_RECORD + "COMPLETED"),
        ("FAILED", "queued", "failed", None, BEGUN_NOT + "FAILED"),
        ("FAILED", "running", "killed", None, NO_RECORD + "FAILED"),
        ("DEADLINE", "queued", "failed", None, BEGUN_NOT + "DEADLINE"),
        ("DEADLINE", "running", "killed", None, NO_RECORD + "DEADLINE"),
        ("LAUNCH_FAILED", "queued", "failed", None, BEGUN_NOT + "LAUNCH_FAILED"),
        ("RECONFIG_FAIL", "running", "killed", None, NO_RECORD + "RECONFIG_FAIL"),
        ("REVOKED", "running", "killed", None, NO_RECORD + "REVOKED"),
        ("TIMEOUT", "queued", "timed_out", "time", "timed out after 02:00:00"),
        ("TIMEOUT", "running", "timed_out", "time", "timed out after 02:00:00"),
        ("OUT_OF_MEMORY", "queued", "killed", "memory", "out of memory: it had 8 GB on n1"),
        ("OUT_OF_MEMORY", "running", "killed", "memory", "out of memory: it had 8 GB on n1"),
        ("NODE_FAIL", "queued", "killed", "node", "a node was lost: n1"),
        ("NODE_FAIL", "running", "killed", "node", "a node was lost: n1"),
        ("BOOT_FAIL", "queued", "killed", "node", "a node was lost: n1"),
        ("BOOT_FAIL", "running", "killed", "node", "a node was lost: n1"),
        ("PREEMPTED", "queued", "killed", "preemption", "pushed out by a more important job"),
        ("PREEMPTED", "running", "killed", "preemption", "pushed out by a more important job"),
    ],
)
def test_a_job_that_is_over_owes_the_end_of_its_task(
    said: str, status: str, outcome: str, fault: Fault | None, cause: str
) -> None:
    state, entries = judge(recorded(status), sight(said))
    (end,) = entries
    assert isinstance(end, Ended)
    assert (end.outcome, end.fault, end.attempt) == (outcome, fault, state.attempt)
    assert (end.cause or "").startswith(cause)
    assert (state.status, state.fault, state.cause) == (outcome, fault, end.cause)


@pytest.mark.parametrize("said", [state for state in OVER if state != "CANCELLED"])
def test_a_task_that_saved_its_state_but_whose_job_is_over_waits_to_be_run_again(
    said: str,
) -> None:
    state, entries = judge(recorded("requeued"), sight(said))
    (queued,) = entries
    assert isinstance(queued, Queued)
    assert (queued.key, queued.batch, queued.retry) == ("k", None, "time")
    assert (state.status, state.cause) == ("pending", "state saved")


@pytest.mark.parametrize("status", STATUSES)
def test_a_cancelled_job_is_a_cancelled_task_and_the_user_is_named(status: str) -> None:
    state, entries = judge(recorded(status), sight("CANCELLED", canceller=0))
    assert state.status == "cancelled"
    assert state.cause == "by root (scancel)"
    assert fold([*records(status), *entries]).status == "cancelled"


@pytest.mark.parametrize(
    ("canceller", "by"), [(None, "by scancel"), (4_000_000, "by user 4000000 (scancel)")]
)
def test_who_has_no_name_is_named_by_what_is_known(canceller: int | None, by: str) -> None:
    assert judge(recorded("queued"), sight("CANCELLED", canceller=canceller))[0].cause == by


def test_who_asked_us_to_cancel_is_named_rather_than_scancel() -> None:
    state = recorded("running", CancelAsked(by="eve@home"))
    judged, (end,) = judge(state, sight("CANCELLED", canceller=0))
    assert isinstance(end, Ended)
    assert (judged.status, judged.cause) == ("cancelled", "by eve@home")


def test_want_of_memory_in_a_step_is_want_of_memory_of_a_job_that_merely_failed() -> None:
    look = sight("FAILED", exit_code="1:0", out_of_memory=True, peak_mb=7900.0)
    state, _ = judge(recorded("running"), look)
    assert (state.status, state.fault, state.peak_mb) == ("killed", "memory", 7900.0)


def test_a_worker_that_was_killed_may_have_lacked_memory() -> None:
    state, _ = judge(recorded("running"), sight("FAILED", exit_code="0:9"))
    assert state.fault is None
    assert (state.cause or "").endswith("left no record, perhaps for want of memory")


def test_a_lost_node_is_kept_off_from_then_on() -> None:
    look = sight("NODE_FAIL", nodes="n[1-3]", lost=("n2",))
    _, (end,) = judge(recorded("running"), look)
    assert isinstance(end, Ended)
    assert end.nodes == ("n2",)


def test_a_job_that_ended_without_a_node_perhaps_asked_for_too_much() -> None:
    state, _ = judge(recorded("queued"), sight("FAILED", nodes="", reason="BadConstraints"))
    assert "BadConstraints" in (state.cause or "")
    assert "before it got a node" in (state.cause or "")


# A job that is not over


@pytest.mark.parametrize("said", OVER)
@pytest.mark.parametrize("status", STATUSES)
def test_a_word_that_may_change_yet_is_shown_and_not_recorded(status: str, said: str) -> None:
    state, entries = judge(recorded(status), sight(said, final=False))
    assert entries == ()
    assert state.status == status
    assert state.cause == f"SLURM: {said}, to be confirmed"


@pytest.mark.parametrize("said", WAITING)
@pytest.mark.parametrize(
    ("status", "shown", "cause"),
    [
        ("queued", "queued", "in the queue (Priority)"),
        ("running", "requeued", "put back in the queue (Priority)"),
        ("requeued", "requeued", "state saved"),
    ],
)
def test_a_job_in_the_queue_is_shown_with_the_reason_and_not_recorded(
    status: str, shown: str, cause: str, said: str
) -> None:
    state, entries = judge(recorded(status), sight(said, reason="Priority"))
    assert entries == ()
    assert (state.status, state.cause) == (shown, cause)


@pytest.mark.parametrize("said", RUNNING)
@pytest.mark.parametrize("status", STATUSES)
def test_a_job_that_runs_is_what_its_task_says_of_itself(status: str, said: str) -> None:
    before = recorded(status)
    assert judge(before, sight(said)) == (before._replace(job="12_0"), ())


@pytest.mark.parametrize("status", STATUSES)
def test_an_unknown_word_of_slurm_is_shown_and_decides_nothing(status: str) -> None:
    state, entries = judge(recorded(status), sight("FROBNICATED"))
    assert entries == ()
    assert (state.status, state.cause) == (status, "SLURM says 'FROBNICATED'")


# A job that SLURM does not know


@pytest.mark.parametrize("status", STATUSES)
def test_a_job_that_slurm_does_not_know_is_waited_for(status: str) -> None:
    state, entries = judge(recorded(status), sight(None, quiet=299))
    assert entries == ()
    assert (state.status, state.cause) == (status, "SLURM knows nothing of job 12_0 yet")


@pytest.mark.parametrize("status", STATUSES)
def test_a_job_that_nobody_has_heard_of_for_long_is_lost_and_not_run_again(status: str) -> None:
    state, (end,) = judge(recorded(status), sight(None, quiet=301))
    assert isinstance(end, Ended)
    assert (state.status, state.fault) == ("killed", None)
    assert state.cause == "SLURM knows nothing of its job 12_0 any more"


@pytest.mark.parametrize("quiet", [0, 10_000])
def test_a_batch_that_is_not_confirmed_is_waited_for(quiet: float) -> None:
    state, entries = judge(recorded("queued"), sight(None, job=None, quiet=quiet))
    assert entries == ()
    assert state.cause == "handed to SLURM, which has not confirmed it yet"


def test_the_tasks_of_a_batch_that_slurm_did_not_take_are_to_be_handed_over_again() -> None:
    state, (queued,) = judge(recorded("queued"), sight(None, job=None, void=True))
    assert isinstance(queued, Queued)
    assert (state.status, state.batch) == ("pending", None)


REPORTS = st.none() | st.sampled_from([*WAITING, *RUNNING, *OVER, "FROBNICATED", ""])


@given(
    st.sampled_from(STATUSES),
    st.none() | st.sampled_from(get_args(Fault)),
    REPORTS,
    st.booleans(),
    st.floats(0, 1000),
)
def test_whatever_slurm_says_or_not_nothing_is_done_by_it_and_silence_runs_nothing_again(
    status: str, fault: Fault | None, said: str | None, final: bool, quiet: float
) -> None:
    before = fold(records(status, fault))
    state, entries = judge(before, sight(said, final=final, quiet=quiet))
    assert state.status != "done"
    assert state.done_key is None
    if entries:
        assert state == fold(entries, before)
        assert said in OVER if said is not None else quiet >= 300
        assert final or said is None
    if said is None:
        assert not any(isinstance(entry, Queued) for entry in entries)
    assert state.status != "pending" or (before.status == "requeued" and said in OVER)


# Asking SLURM


@dataclass
class Stub:
    """SLURM's answers; None where a command fails."""

    queue: Sequence[Report] | None = ()
    accounts: Sequence[Report] | None = ()
    named: Sequence[Report] | None = ()
    down: tuple[str, ...] | None = ()
    shows: Sequence[Report] = ()
    excuse: str = "Slurm accounting storage is disabled"  # of sacct, where it fails
    asked: list[str] = field(default_factory=list)

    def _answer(self, what: str, answer: Sequence[Report] | None) -> list[Report]:
        self.asked.append(what)
        if answer is None:
            excuse = (
                self.excuse if what.startswith("sacct") else "Unable to contact slurm controller"
            )
            raise SlurmError(what, excuse)
        return list(answer)

    def queued(self, names: Sequence[str]) -> list[Report]:
        return [r for r in self._answer("squeue", self.queue) if r.name in names]

    def accounted(self, jobs: Sequence[str]) -> list[Report]:
        return [r for r in self._answer("sacct", self.accounts) if r.job in jobs]

    def accounted_by_name(self, name: str, since: float) -> list[Report]:
        return [r for r in self._answer("sacct --name", self.named) if r.name == name]

    def shown(self, job: str) -> list[Report]:
        return [r for r in self._answer("scontrol", self.shows) if r.job == job]

    def lost_nodes(self, nodes: str) -> tuple[str, ...]:
        if self.down is None:
            raise SlurmError("sinfo", "busy")
        return self.down


def report(state: str, job: str = "12_0", ago: float | None = LONG_AGO, **more: object) -> Report:
    """A report on a job which, if it is over, is so since a while."""
    ended = None if ago is None or state not in OVER else datetime.now() - timedelta(seconds=ago)
    return Report(job, BATCH.name, state, ended=ended, **{"nodes": "n1", **more})


Hand = Callable[..., Batch]


@pytest.fixture
def hand_over(run: RunPaths) -> Hand:
    """Tasks a and b as if they had been handed to SLURM, which has them as job 12."""

    def build(status: str = "queued", *, ago: float = 0, job: str | None = "12") -> Batch:
        run.create()
        batch = BATCH.model_copy(update={"at": time.time() - ago})
        batches = Batches(run)
        batches.add(batch)
        if job:
            batches.settle(Accepted(token=batch.token, job=job))
        for entry in records(status):
            append(run.ledger("a"), entry.model_copy(update={"at": time.time() - ago}))
        return batch

    return build


def look(run: RunPaths, stub: Stub) -> Observation:
    return observe(run, read_states(run, ["a"]), stub)


def test_a_run_that_was_never_handed_to_slurm_asks_it_nothing(run: RunPaths) -> None:
    stub = Stub()
    assert look(run, stub).states["a"].status == "pending"
    assert stub.asked == []


def test_a_task_that_has_told_its_end_is_not_asked_about(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running")
    append(run.ledger("a"), Ended(attempt=1, outcome="done"))
    stub = Stub(queue=None)
    assert look(run, stub).states["a"].status == "done"
    assert stub.asked == []


def test_looking_writes_nothing(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running")
    before = {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}
    seen = look(run, Stub(accounts=[report("TIMEOUT")]))
    assert seen.states["a"].status == "timed_out"
    assert {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()} == before


def test_what_was_seen_is_recorded_and_seen_once(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running")
    stub = Stub(accounts=[report("TIMEOUT")])
    record(run, look(run, stub))
    assert read_state(run, "a").status == "timed_out"
    count = len(read_entries(run.ledger("a")))
    record(run, look(run, stub))
    assert len(read_entries(run.ledger("a"))) == count


def test_a_slurm_that_does_not_answer_leaves_all_as_recorded(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("running", ago=LONG_AGO)
    seen = look(run, Stub(queue=None))
    assert seen.trouble == "squeue: Unable to contact slurm controller"
    assert seen.states == read_states(run, ["a"])
    assert (seen.missing, seen.fates) == ({}, [])


def test_a_ledger_that_has_changed_meanwhile_wins(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running")
    states = read_states(run, ["a"])
    append(run.ledger("a"), Ended(attempt=1, outcome="done", result={"R": 1}))
    seen = observe(run, states, Stub(accounts=[report("NODE_FAIL")]))
    assert seen.states["a"].status == "done"
    assert seen.missing == {}


# sacct, which is late, or not there


def test_an_end_that_only_squeue_knows_is_taken_for_true_after_a_while(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("running")
    seen = look(run, Stub(queue=[report("TIMEOUT", ago=2)]))
    assert (seen.states["a"].status, seen.missing) == ("running", {})
    seen = look(run, Stub(queue=[report("TIMEOUT", ago=60)]))
    assert seen.states["a"].status == "timed_out"


@pytest.mark.parametrize("late", ["RUNNING", "PENDING"])
def test_a_late_word_of_sacct_counts_for_nothing(run: RunPaths, hand_over: Hand, late: str) -> None:
    hand_over("running", ago=LONG_AGO)
    seen = look(run, Stub(queue=[report("FAILED", ago=2)], accounts=[report(late)]))
    assert (seen.states["a"].status, seen.missing) == ("running", {})
    assert "to be confirmed" in (seen.states["a"].cause or "")


def test_a_job_that_only_sacct_takes_for_running_is_lost_after_a_while(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("running", ago=LONG_AGO)
    assert look(run, Stub(accounts=[report("RUNNING")])).states["a"].status == "killed"


def test_sacct_knows_more_of_an_end_than_squeue(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running")
    stub = Stub(queue=[report("FAILED")], accounts=[report("FAILED", out_of_memory=True)])
    assert look(run, stub).states["a"].fault == "memory"


def test_without_accounting_the_controller_is_asked_for_the_exit_code(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("running")
    shown = report("FAILED", ago=1, exit_code="1:0", out_of_memory=True)
    stub = Stub(queue=[report("FAILED", ago=1)], accounts=None, shows=[shown])
    assert look(run, stub).states["a"].fault == "memory"


def test_without_accounting_a_job_that_squeue_has_forgotten_is_lost_and_not_done(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("queued", ago=LONG_AGO)
    seen = look(run, Stub(accounts=None))
    assert seen.states["a"].status == "killed"


def test_while_accounting_does_not_answer_nothing_is_lost_that_squeue_has_forgotten(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("running", ago=LONG_AGO)
    stub = Stub(accounts=None, excuse="Connection refused")
    seen = look(run, stub)
    assert seen.states["a"].status == "running"
    assert seen.missing == {}


def test_a_task_whose_batch_file_is_gone_is_unknown_and_says_what_to_do(
    run: RunPaths, hand_over: Hand
) -> None:
    batch = hand_over("queued")
    run.batch(batch.token).unlink()
    seen = look(run, Stub(queue=[report("PENDING")]))
    assert seen.states["a"].status == "unknown"
    assert "cancel the task, then submit again" in (seen.states["a"].cause or "")
    assert seen.missing == {}


def test_why_a_worker_never_began_is_told_in_the_words_of_its_job(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("queued")
    run.slurm_log_folder.mkdir(parents=True)
    (run.slurm_log_folder / "12_0_0_log.out").write_text("setup failed: module load nosuch\n")
    seen = look(run, Stub(accounts=[report("FAILED", exit_code="1:0")]))
    assert "setup failed: module load nosuch" in (seen.states["a"].cause or "")


def test_a_task_with_a_heartbeat_is_not_lost(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running", ago=LONG_AGO)
    beat = HeartbeatWriter(run.heartbeat("a"), 1)
    beat.beat(1, 10, {})
    assert look(run, Stub()).states["a"].status == "running"


def test_a_job_that_runs_is_not_asked_about_twice(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running")
    stub = Stub(queue=[report("RUNNING")])
    assert look(run, stub).states["a"].status == "running"
    assert stub.asked == ["squeue"]


# Jobs that SLURM may yet put back


@pytest.mark.parametrize("said", ["NODE_FAIL", "PREEMPTED", "BOOT_FAIL"])
def test_a_job_that_may_be_put_back_in_the_queue_is_waited_for(
    run: RunPaths, hand_over: Hand, said: str
) -> None:
    hand_over("running")
    for where in ("queue", "accounts"):
        seen = look(run, Stub(**{where: [report(said, ago=3)]}))
        assert (seen.states["a"].status, seen.missing) == ("running", {})
    assert look(run, Stub(accounts=[report(said, ago=60)])).states["a"].status == "killed"


def test_a_job_that_was_put_back_is_in_the_queue_whatever_sacct_says_of_its_past(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("running")
    stub = Stub(queue=[report("PENDING", reason="BeginTime")], accounts=[report("NODE_FAIL")])
    seen = look(run, stub)
    assert (seen.states["a"].status, seen.missing) == ("requeued", {})


@pytest.mark.parametrize(
    ("nodes", "down", "blamed"),
    [
        ("n1", ("n9",), ("n1",)),
        ("n[1-3]", ("n2",), ("n2",)),
        ("n[1-3]", None, ()),
        ("", (), ()),
    ],
)
def test_of_several_nodes_those_are_to_blame_that_do_not_work(
    run: RunPaths,
    hand_over: Hand,
    nodes: str,
    down: tuple[str, ...] | None,
    blamed: tuple[str, ...],
) -> None:
    hand_over("running")
    seen = look(run, Stub(accounts=[report("NODE_FAIL", nodes=nodes)], down=down))
    (end,) = seen.missing["a"]
    assert isinstance(end, Ended)
    assert end.nodes == blamed


# Batches whose submitter did not learn what became of them


def test_a_batch_is_found_in_the_queue_by_its_name(run: RunPaths, hand_over: Hand) -> None:
    hand_over(job=None)
    seen = look(run, Stub(queue=[report("PENDING", reason="Priority")]))
    assert seen.states["a"].cause == "in the queue (Priority)"
    assert seen.live_batches == (read_batches(run).known["t0"],)
    record(run, seen)
    assert read_batches(run).job("t0") == "12"


def test_a_batch_that_squeue_has_forgotten_is_found_by_its_name(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over("running", job=None, ago=LONG_AGO)
    seen = look(run, Stub(named=[report("TIMEOUT")], accounts=[report("TIMEOUT")]))
    assert seen.states["a"].status == "timed_out"
    record(run, seen)
    assert read_batches(run).job("t0") == "12"


def test_a_batch_that_slurm_has_not_heard_of_is_waited_for(run: RunPaths, hand_over: Hand) -> None:
    hand_over(job=None, ago=100)
    seen = look(run, Stub())
    assert (seen.states["a"].status, seen.fates, seen.missing) == ("queued", [], {})


def test_a_batch_that_slurm_has_never_heard_of_is_void_and_its_tasks_are_pending(
    run: RunPaths, hand_over: Hand
) -> None:
    hand_over(job=None, ago=130)
    seen = look(run, Stub())
    record(run, seen)
    assert isinstance(seen.fates[0], Void)
    assert read_batches(run).is_void("t0")
    assert read_state(run, "a").status == "pending"


def test_a_batch_of_which_no_task_knows_is_settled_too(run: RunPaths) -> None:
    run.create()
    batches = Batches(run)
    batches.add(BATCH.model_copy(update={"at": time.time() - LONG_AGO}))  # then it was killed
    record(run, look(run, Stub()))
    assert read_batches(run).open() == []
    assert read_state(run, "a").status == "pending"


def test_stewards_are_live_as_long_as_squeue_knows_them(run: RunPaths, hand_over: Hand) -> None:
    hand_over("running")
    append(run.ledger("a"), Ended(attempt=1, outcome="done"))
    steward = BATCH.model_copy(
        update={"token": "t1", "name": "demo.steward.t1", "stage": "steward", "tasks": ()}
    )
    batches = read_batches(run)
    batches.add(steward)
    batches.settle(Accepted(token="t1", job="13"))
    waiting = Report("13", "demo.steward.t1", "PENDING")
    assert look(run, Stub(queue=[waiting])).live_batches == (steward,)
    assert look(run, Stub(queue=[waiting._replace(state="COMPLETED")])).live_batches == ()
    assert look(run, Stub()).live_batches == ()
