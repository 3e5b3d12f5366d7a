"""What is peculiar to the queue on this machine: room, GPUs, threads, stages."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest

from hpc.executors.base import worker_command
from hpc.executors.local import LocalExecutor, LocalHandle
from hpc.executors.room import Room
from hpc.executors.watch import Adopted, Child, end_of
from hpc.ledger import CancelAsked, Ended, Queued, TaskState, append, read_entries, read_state
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.task import Task

Make = Callable[..., Task]


@pytest.fixture
def poll_once(run: RunPaths, eventually: Callable[..., None]) -> Callable[..., list[str]]:
    """The tasks that an executor starts at first; then the gate is opened and all is run."""

    def started(executor: LocalExecutor, tasks: list[Task]) -> list[str]:
        with executor.submit(run, tasks) as handle:
            handle.poll()
            first = list(handle._running)
            (run.folder / "gate").touch()
            handle.wait(0.02)
        assert {read_state(run, task.id).status for task in tasks} == {"done"}
        return first

    return started


def test_tasks_share_the_cpus(make: Make, poll_once: Callable[..., list[str]]) -> None:
    tasks = [make(name, "gated", cpus=2) for name in "abc"]
    assert poll_once(LocalExecutor(room=Room(cpus=5)), tasks) == ["a", "b"]


def test_a_small_task_does_not_overtake_a_big_one_for_the_same_cpus(
    make: Make, poll_once: Callable[..., list[str]]
) -> None:
    tasks = [make("a", "gated", cpus=2), make("big", "gated", cpus=4), make("c", "gated")]
    assert poll_once(LocalExecutor(room=Room(cpus=4)), tasks) == ["a"]


def test_a_task_may_use_what_a_waiting_one_leaves(
    make: Make, poll_once: Callable[..., list[str]]
) -> None:
    tasks = [make("a", "gated", gpus=1), make("b", "gated", gpus=1), make("c", "gated")]
    assert poll_once(LocalExecutor(room=Room(cpus=4, gpus=1)), tasks) == ["a", "c"]


def test_a_stage_can_have_a_limit_of_its_own(
    make: Make, poll_once: Callable[..., list[str]]
) -> None:
    tasks = [make(name, "gated", stage="infer") for name in "abc"] + [make("d", "gated")]
    executor = LocalExecutor(room=Room(), stage_limits={"infer": 2})
    assert poll_once(executor, tasks) == ["a", "b", "d"]


def test_tasks_that_slurm_has_are_not_started_here_as_well(
    run: RunPaths, make: Make, refusal_of: Callable[..., tuple[str, str, str]]
) -> None:
    run.create()
    task = make("a")
    append(run.ledger("a"), Queued(key=task.key, batch="t1"))
    assert refusal_of(LocalExecutor(room=Room()).submit, run, [task]) == (
        "SLURM has tasks of this run (a queued)",
        "run demo",
        "Name the profile or executor it was submitted with, or cancel the run first",
    )
    assert [type(entry) for entry in read_entries(run.ledger("a"))] == [Queued]


def test_threads_are_bounded_by_the_cpus_asked_for_unless_the_user_said_otherwise(
    run: RunPaths, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "17")
    with LocalExecutor(room=Room()).submit(run, [make("a", "environment")]) as handle:
        handle.wait(0.02)
    result = read_state(run, "a").result or {}
    assert (result["OMP_NUM_THREADS"], result["MKL_NUM_THREADS"]) == ("1", "17")


def test_no_gpu_is_given_to_two_tasks_at_once(
    run: RunPaths, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    tasks = [make(name, "environment", gpus=1, name=name) for name in "ab"]
    with LocalExecutor(room=Room(gpus=2)).submit(run, tasks) as handle:
        handle.wait(0.02)
    given = [(read_state(run, name).result or {})["CUDA_VISIBLE_DEVICES"] for name in "ab"]
    assert sorted(map(str, given)) == ["3", "7"]


def test_the_gpus_of_an_adopted_worker_are_known(run: RunPaths, make: Make) -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "5"}
    command = [sys.executable, "-c", "print('here', flush=True); import time; time.sleep(600)"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        process = Process(host=Process.current().host, pid=worker.pid, started="x")
        state = TaskState(status="running", attempt=1, process=process)
        assert Adopted(run, make("a", gpus=1), state).gpus == ("5",)
        assert Adopted(run, make("a", gpus=0), state).gpus == ()
        worker.kill()
    assert Adopted(run, make("a", gpus=1), state).gpus == ()


def test_a_task_cancelled_before_a_submit_that_waits_for_its_turn_is_not_started(
    run: RunPaths, make: Make
) -> None:
    tasks = [make("a"), make("b")]
    with LocalExecutor(room=Room(tasks=1)).submit(run, tasks) as handle:
        append(run.ledger("b"), CancelAsked(by="eve"))
        handle.wait(0.02)
    assert read_state(run, "b").status == "cancelled"
    assert len(read_entries(run.ledger("b"))) == 1


def test_a_task_cancelled_in_the_ledger_while_it_runs_is_ended_here(
    run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    with LocalExecutor(grace=0.1).submit(run, [make("a", "deaf")]) as handle:
        handle.poll()
        eventually((run.folder / "trace.txt").exists)
        append(run.ledger("a"), CancelAsked(by="eve on another host"))
        handle.wait(0.02)
    assert read_state(run, "a").cause == "by eve on another host"


def test_a_second_interrupt_kills_at_once(
    run: RunPaths, make: Make, eventually: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []
    wait = LocalHandle.wait

    def impatient(self: LocalHandle, interval: float = 0.1) -> None:
        calls.append(interval)
        if len(calls) == 1:
            raise KeyboardInterrupt
        wait(self, 0.02)

    handle = LocalExecutor(grace=600).submit(run, [make("a", "deaf")])
    handle.poll()
    eventually((run.folder / "trace.txt").exists)
    monkeypatch.setattr(LocalHandle, "wait", impatient)
    handle.interrupt()
    assert read_state(run, "a").status == "cancelled"


def test_a_task_that_runs_on_another_host_is_waited_for(
    run: RunPaths, make: Make, pretend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc.executors.watch.REMOTE_INTERVAL", 0.0)
    first = make("a")
    pretend(first, None, process=Process(host="node7", pid=1, started="x"))
    with LocalExecutor().submit(run, [first, make("b", needs=[first])]) as handle:
        assert not handle.poll()
        append(run.ledger("a"), Ended(attempt=1, outcome="done"))
        handle.wait(0.02)
    assert read_state(run, "b").status == "done"


def test_an_adopted_worker_has_the_time_that_a_retry_gave_it(
    run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    task = make("a", seconds=60)
    pretend(task, "timed_out", fault="time")
    append(run.ledger("a"), Queued(key=task.key, retry="time"))
    pretend(task, None)  # this very process
    with LocalExecutor().submit(run, [task]) as handle:
        (adopted,) = handle._running.values()
        assert adopted.task.resources.time == timedelta(seconds=120)
        append(run.ledger("a"), Ended(attempt=2, outcome="done"))


def test_a_damaged_ledger_of_a_running_task_stops_that_task_only(
    run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    tasks = [make("a", "gated"), make("b", "gated")]
    with LocalExecutor(room=Room()).submit(run, tasks) as handle:
        handle.poll()
        eventually(lambda: (run.folder / "trace.txt").exists())
        with run.ledger("a").open("a") as file:
            file.write("{no record}\n")
        handle.poll()
        (run.folder / "gate").touch()
        handle.wait(0.02)
    assert read_state(run, "a").status == "unknown"
    assert read_state(run, "b").status == "done"


def test_a_full_disk_does_not_stop_the_queue(
    run: RunPaths, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    bad = make("bad", "value_error")
    with LocalExecutor().submit(run, [bad, make("next", needs=[bad])]) as handle:
        monkeypatch.setattr("hpc.executors.local.append", full)
        handle.wait(0.02)
    assert read_state(run, "bad").status == "failed"


def test_a_submit_that_fails_gives_the_lock_back(
    run: RunPaths, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hpc.executors.local.record_submission", full)
        with pytest.raises(OSError, match="No space"):
            LocalExecutor().submit(run, [make("a")])
    LocalExecutor().submit(run, [make("a")]).close()


def test_workers_import_from_where_this_process_does(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr("sys.path", ["/usr/bin", "/site-packages"])
    assert worker_command(run, "a")[1:4] == ("-P", "-m", "hpc.worker")
    monkeypatch.setattr("sys.path", ["", "/site-packages"])
    assert worker_command(run, "a")[1:3] == ("-m", "hpc.worker")


# The record that an ended worker left unwritten


@pytest.fixture
def child(make: Make) -> Child:
    class Ghost:
        pid = 77

    task = make("a", seconds=timedelta(hours=2).total_seconds())
    return Child(task, Ghost())  # type: ignore[arg-type]


def running(pid: int = 77) -> TaskState:
    process = Process(host="here", pid=pid, started="x")
    return TaskState(status="running", attempt=3, process=process)


def test_a_worker_that_recorded_its_end_needs_no_other(child: Child) -> None:
    assert end_of(child, 0, TaskState(status="done", attempt=3)) is None
    assert end_of(child, 1, TaskState(status="failed", attempt=3)) is None


def test_somebody_elses_attempt_is_not_ours_to_end(child: Child) -> None:
    assert end_of(child, 76, running(pid=78)) is None


def test_the_worker_in_a_container_is_a_child_of_ours_and_of_its_group(child: Child) -> None:
    process = Process(host="here", pid=78, started="x", group=77)
    end = end_of(child, 137, TaskState(status="running", attempt=3, process=process))
    assert end is not None
    assert (end.attempt, end.outcome) == (3, "killed")


@pytest.mark.parametrize(
    ("status", "outcome", "cause"),
    [
        (-9, "killed", "by SIGKILL, perhaps by the system for want of memory"),
        (-11, "killed", "by SIGSEGV"),
        (-40, "killed", "by signal 40"),
        (128 + 15, "killed", "by SIGTERM"),  # as a container tells it
        (3, "killed", "its process ended with status 3 and left no record"),
        (74, "failed", "no space left on the disk"),
        (None, "killed", "its process (pid 77) is gone"),
    ],
)
def test_the_end_of_a_worker_is_told_by_how_it_went(
    child: Child, status: int | None, outcome: str, cause: str
) -> None:
    end = end_of(child, status, running())
    assert end is not None
    assert (end.attempt, end.outcome, end.cause) == (3, outcome, cause)


@pytest.mark.parametrize("state", [running(), TaskState()])
def test_time_up_is_time_up_whether_it_had_begun_or_not(child: Child, state: TaskState) -> None:
    child.timed_out = True
    end = end_of(child, -9, state)
    assert end is not None
    assert (end.outcome, end.cause) == ("timed_out", "timed out after 02:00:00")


def test_a_worker_that_never_began_has_failed(child: Child) -> None:
    end = end_of(child, 1, TaskState(status="pending", attempt=2))
    assert end is not None
    assert (end.attempt, end.outcome) == (2, "failed")


def test_a_place_in_the_queue_of_a_done_task_is_needed_only_if_it_runs(
    run: RunPaths, make: Make
) -> None:
    for steps in (8, 16):
        with LocalExecutor().submit(run, [make("a", steps=steps)]) as handle:
            if steps == 8:
                handle.wait(0.02)
    kinds = [type(entry).__name__ for entry in read_entries(run.ledger("a"))]
    assert kinds == ["Started", "Ended", Queued.__name__]
    again = LocalExecutor().submit(run, [make("a", steps=8)])
    assert again.decisions[0].reason == "done"
    again.close()
