"""What runs in an element of an array: the right task, unless there is a reason not to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from hpc.ledger import (
    Ended,
    Queued,
    Started,
    append,
    read_entries,
    read_state,
)
from hpc.paths import RunPaths
from hpc.process import Process, this_host
from hpc.ranks import Ranks
from hpc.resources import Resources
from hpc.retry import RetryPolicy
from hpc.settings import Settings, write_settings
from hpc.slurm import worker
from hpc.slurm.batches import Accepted, Batch, Batches
from hpc.slurm.client import SlurmError
from hpc.slurm.profile import Profile
from hpc.slurm.states import Report
from hpc.slurm.worker import Job, work
from hpc.task import Task
from hpc.worker import Exit

Make = Callable[..., Task]
FIRST, SECOND = Ranks(), Ranks(rank=1, size=2)
THERE = Process(host="n1", pid=7, started="x")
DAY = Resources(time=timedelta(days=1), mem_gb=1, cpus=2, gpus=0)


@dataclass
class Stub:
    """SLURM as the worker sees it: what it says of the job, and what it was told to do."""

    state: str = "RUNNING"
    past: Sequence[str] | None = ()
    told: list[tuple[object, ...]] = field(default_factory=list)

    def shown(self, job: str) -> list[Report]:
        return [Report(job, "demo", self.state)] if self.state else []

    def past_records(self, job: str) -> list[Report]:
        if self.past is None:
            raise SlurmError("sacct", "Slurm accounting storage is disabled")
        return [Report(job, "demo", state) for state in self.past]

    def requeue(self, job: str) -> None:
        self.told.append(("requeue", job))

    def exclude(self, job: str, nodes: Sequence[str]) -> None:
        self.told.append(("exclude", job, *nodes))


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker does to its own process is not for that of the tests."""
    monkeypatch.setattr(worker, "log_to", lambda log: None)
    monkeypatch.setattr("hpc.stopwish.StopWish.listen", lambda self: None)
    monkeypatch.setattr(worker, "thread_limits", lambda cpus: {})
    monkeypatch.setattr(worker, "ELSEWHERE_WAIT", 0.0)


@pytest.fixture
def hand_over(run: RunPaths) -> Callable[..., Job]:
    """Tasks handed over as job 12, seen from the element of the last one."""

    def build(
        *tasks: Task,
        slurm: Stub | None = None,
        resources: Resources = DAY,
        retry: RetryPolicy | None = None,
        stop: bool = False,
    ) -> Job:
        run.create()
        settings = Settings(
            executor="slurm", profile=Profile(version=1), retry=retry or RetryPolicy()
        )
        write_settings(run, settings)
        batch = Batch(
            token="t0",
            name="demo.stage.t0",
            stage="stage",
            tasks=tuple(task.id for task in tasks),
            resources=resources,
            script="true\n",
        )
        batches = Batches(run)
        batches.add(batch)
        batches.settle(Accepted(token="t0", job="12"))
        for task in tasks:
            run.task(task.id).write_text(task.model_dump_json())
            append(run.ledger(task.id), Queued(key=task.key, batch="t0"))
        element = str(len(tasks) - 1)
        environment = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": element}
        here = Job.here(run, "t0", environment)
        return Job(here.run, here.batch, here.task_id, here.id, slurm or Stub())

    return build


Hand = Callable[..., Job]


@pytest.fixture
def asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM has sent its signal."""
    monkeypatch.setattr("hpc.stopwish.StopWish.__call__", lambda self: True)


def began(run: RunPaths, task: Task, host: str = "n1") -> None:
    """The job has been here before, on another node."""
    process = THERE.model_copy(update={"host": host})
    append(run.ledger(task.id), Started(attempt=1, key=task.key, process=process, job="12_0"))


def ends(run: RunPaths, name: str = "a") -> list[Ended]:
    return [entry for entry in read_entries(run.ledger(name)) if isinstance(entry, Ended)]


# Which task it is


def test_the_element_of_an_array_runs_the_task_with_its_number(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    job = hand_over(make("a"), make("b"), make("c"))
    assert (job.task_id, job.id) == ("c", "12_2")
    assert work(job, FIRST) == Exit.DONE
    assert [read_state(run, name).status for name in "abc"] == ["queued", "queued", "done"]


def test_the_program_finds_its_task_by_what_slurm_has_set(
    run: RunPaths, make: Make, hand_over: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(make("a"), make("b"))
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    options = ["--runs", str(run.root), "--run", run.name, "--batch", "t0"]
    assert worker.main(options) == Exit.DONE
    state = read_state(run, "b")
    assert (state.status, state.job) == ("done", "12_1")


# Reasons not to


def test_a_job_whose_batch_was_superseded_does_nothing(
    run: RunPaths, make: Make, hand_over: Hand, capsys: pytest.CaptureFixture[str]
) -> None:
    task = make("a")
    job = hand_over(task)
    append(run.ledger("a"), Queued(key=task.key, batch="t1"))
    before = read_entries(run.ledger("a"))
    for rank in (FIRST, SECOND):
        assert work(job, rank) == Exit.DONE
    assert read_entries(run.ledger("a")) == before
    assert "a is not queued in batch t0 any more: nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("outcome", ["done", "failed", "timed_out"])
def test_a_job_whose_task_is_over_does_nothing(
    run: RunPaths, make: Make, hand_over: Hand, outcome: str
) -> None:
    task = make("a")
    job = hand_over(task)
    began(run, task)
    append(run.ledger("a"), Ended(attempt=1, outcome=outcome))
    assert work(job, FIRST) == Exit.DONE
    assert read_state(run, "a").attempt == 1


def test_a_task_that_is_queued_in_no_batch_is_not_run(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a")
    job = hand_over(task)
    append(run.ledger("a"), Queued(key=task.key))  # pending: in no batch
    assert work(job, FIRST) == Exit.DONE
    assert read_state(run, "a").status == "pending"


@pytest.mark.parametrize(
    ("outcome", "said"), [("failed", "need failed"), ("timed_out", "need timed out")]
)
def test_a_task_whose_need_is_not_done_is_blocked(
    run: RunPaths, make: Make, hand_over: Hand, outcome: str, said: str
) -> None:
    need = make("need")
    job = hand_over(need, make("a", needs=[need]))
    began(run, need)
    append(run.ledger("need"), Ended(attempt=1, outcome=outcome))
    assert work(job, SECOND) == Exit.DONE
    assert work(job, FIRST) == Exit.DONE
    state = read_state(run, "a")
    assert (state.status, state.cause, state.attempt) == ("blocked", said, 0)


def test_a_need_that_was_done_with_other_settings_is_not_done(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    old, need = make("need", x=1), make("need", x=2)
    job = hand_over(make("a", needs=[need]))
    append(run.ledger("need"), Started(attempt=1, key=old.key, process=THERE))
    append(run.ledger("need"), Ended(attempt=1, outcome="done"))
    work(job, FIRST)
    assert read_state(run, "a").cause == "need done"


@pytest.mark.parametrize(
    ("outcome", "status", "cause"), [("done", "done", None), ("failed", "blocked", "gate failed")]
)
def test_what_is_not_read_but_has_to_agree_decides_too(
    run: RunPaths, make: Make, hand_over: Hand, outcome: str, status: str, cause: str | None
) -> None:
    need, gate = make("need"), make("gate")
    job = hand_over(need, gate, make("a", needs=[need], after=[gate]))
    for task, end in ((need, "done"), (gate, outcome)):
        began(run, task)
        append(run.ledger(task.id), Ended(attempt=1, outcome=end))
    work(job, FIRST)
    state = read_state(run, "a")
    assert (state.status, state.cause) == (status, cause)


# A job that has been here before


@pytest.mark.parametrize(
    ("past", "fault", "nodes", "cause"),
    [
        (["NODE_FAIL", "RUNNING"], "node", ("n1",), "a node was lost: n1"),
        (["BOOT_FAIL", "RUNNING"], "node", ("n1",), "a node was lost: n1"),
        (["PREEMPTED", "RUNNING"], "preemption", (), "pushed out by a more important job"),
        (["REQUEUED", "RUNNING"], "preemption", (), "put back in the queue by hand"),
        (["NODE_FAIL", "PREEMPTED", "RUNNING"], "preemption", (), "pushed out by a more"),
        (["RUNNING"], "preemption", (), "put back in the queue by SLURM, which does not say why"),
        ([], "preemption", (), "put back in the queue by SLURM, which does not say why"),
        (None, "preemption", (), "put back in the queue by SLURM, which does not say why"),
    ],
)
def test_the_death_of_the_attempt_before_is_recorded_as_slurm_tells_it(
    run: RunPaths,
    make: Make,
    hand_over: Hand,
    past: Sequence[str] | None,
    fault: str,
    nodes: tuple[str, ...],
    cause: str,
) -> None:
    task = make("a")
    job = hand_over(task, slurm=Stub(past=past))
    began(run, task)
    assert work(job, FIRST) == Exit.DONE
    first, last = ends(run)
    assert (first.attempt, first.fault, first.nodes) == (1, fault, nodes)
    assert (first.cause or "").startswith(cause)
    assert (last.attempt, last.outcome) == (2, "done")


def test_a_task_that_died_too_often_is_not_begun_again(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a")
    job = hand_over(task, slurm=Stub(past=["NODE_FAIL"]), retry=RetryPolicy(node=0))
    began(run, task)
    assert work(job, FIRST) == Exit.FAILED
    state = read_state(run, "a")
    assert (state.status, state.fault, state.attempt) == ("killed", "node", 1)
    assert not (run.folder / "trace.txt").exists()


def test_a_node_that_was_lost_under_the_task_is_left(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a")
    slurm = Stub(past=["NODE_FAIL"])
    job = hand_over(task, slurm=slurm)
    began(run, task, host=this_host())
    assert work(job, FIRST) == Exit.REQUEUED
    assert slurm.told == [("requeue", "12_0"), ("exclude", "12_0", this_host())]
    assert not (run.folder / "trace.txt").exists()


def test_the_job_that_left_a_lost_node_runs_its_task_on_another(
    run: RunPaths, make: Make, hand_over: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make("a")
    job = hand_over(task, slurm=Stub(past=["NODE_FAIL"]))
    began(run, task, host=this_host())
    work(job, FIRST)
    monkeypatch.setattr(worker, "this_host", lambda: "n9")
    assert work(job, FIRST) == Exit.DONE
    assert read_state(run, "a").status == "done"


def test_a_rank_that_begins_while_the_first_records_the_death_does_its_part(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a")
    job = hand_over(task)
    began(run, task)
    append(run.ledger("a"), Ended(attempt=1, outcome="killed", fault="preemption"))
    assert work(job, SECOND) == Exit.DONE
    assert (run.folder / "trace.txt").read_text() == "begin a\nend a\n"


# Going on later


@pytest.mark.usefixtures("asked_to_stop")
def test_a_task_that_saved_its_state_is_put_back_in_the_queue(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    slurm = Stub()
    job = hand_over(make("a", "polite"), slurm=slurm)
    assert work(job, FIRST) == Exit.REQUEUED
    assert slurm.told == [("requeue", "12_0")]
    state = read_state(run, "a")
    assert (state.status, state.cause) == ("requeued", "state saved")


@pytest.mark.usefixtures("asked_to_stop")
@pytest.mark.parametrize("state", ["PREEMPTED", "COMPLETING", "CANCELLED", "PENDING", ""])
def test_a_job_that_slurm_ends_or_puts_back_itself_is_not_put_back_twice(
    run: RunPaths, make: Make, hand_over: Hand, state: str
) -> None:
    slurm = Stub(state=state)
    assert work(hand_over(make("a", "polite"), slurm=slurm), FIRST) == Exit.REQUEUED
    assert slurm.told == []
    assert read_state(run, "a").status == "requeued"


@pytest.mark.usefixtures("asked_to_stop")
def test_a_task_that_was_stopped_too_often_is_given_up(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    slurm = Stub()
    job = hand_over(make("a", "polite"), slurm=slurm, retry=RetryPolicy(preemption=1))
    assert work(job, FIRST) == Exit.REQUEUED
    assert work(job, FIRST) == Exit.FAILED
    state = read_state(run, "a")
    assert (state.status, state.attempt) == ("failed", 2)
    assert state.cause == "given up after 1 retry: state saved"
    assert slurm.told == [("requeue", "12_0")]


@pytest.mark.usefixtures("asked_to_stop")
def test_a_task_that_got_nowhere_in_its_time_ends_and_gets_more_from_the_steward(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    slurm = Stub()
    short = DAY.model_copy(update={"time": timedelta(minutes=1)})
    job = hand_over(make("a", "stuck"), slurm=slurm, resources=short)
    assert work(job, FIRST) == Exit.FAILED
    assert slurm.told == []
    state = read_state(run, "a")
    assert (state.status, state.fault) == ("timed_out", "time")


@pytest.mark.parametrize(
    ("seconds", "fault"),
    [(0, "preemption"), (3000, "preemption"), (3419, "preemption"), (3420, "time"), (3599, "time")],
)
def test_a_signal_shortly_before_the_end_is_for_the_time_any_other_for_a_better_job(
    make: Make, hand_over: Hand, seconds: float, fault: str
) -> None:
    hour = DAY.model_copy(update={"time": timedelta(hours=1)})  # the signal: 120 s before its end
    job = hand_over(make("a"), resources=hour)
    assert job.fault_of(make("a"), seconds) == fault


def test_the_time_is_that_of_the_batch_which_may_be_more_than_the_task_asked_for(
    make: Make, hand_over: Hand
) -> None:
    job = hand_over(make("a", seconds=60), resources=DAY)
    assert job.fault_of(make("a", seconds=60), 59) == "preemption"


# What fails


def test_a_failure_is_no_reason_to_run_again(run: RunPaths, make: Make, hand_over: Hand) -> None:
    slurm = Stub()
    assert work(hand_over(make("a", "value_error"), slurm=slurm), FIRST) == Exit.FAILED
    assert slurm.told == []
    assert read_state(run, "a").cause == "ValueError: the frames do not fit"


def test_a_rank_but_the_first_fails_in_its_place(
    run: RunPaths, make: Make, hand_over: Hand
) -> None:
    task = make("a", "value_error")
    job = hand_over(task)
    began(run, task)
    assert work(job, SECOND) == Exit.FAILED
    assert (read_state(run, "a").cause or "").startswith(f"rank 1 on {this_host()}: ValueError")
