"""What every executor does, stated once. A new executor joins by a line in EXECUTORS."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest
from pydantic import TypeAdapter

from hpc.cancel import cancel_tasks
from hpc.errors import LockedError, UserError
from hpc.executors.base import Executor, Handle
from hpc.executors.dry_run import DryRunExecutor, DryRunHandle
from hpc.executors.local import LocalExecutor
from hpc.executors.room import Room
from hpc.fsio import append_line
from hpc.ledger import Started, read_entries, read_state
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.retry import RetryPolicy
from hpc.task import Task

# Each runs `tasks` tasks at once at most, and gives a worker `grace` seconds to stop.
# What is tried again by itself is another suite's subject: tests/cluster/test_scenarios.py.
NOTHING_AGAIN = RetryPolicy(memory=0, time=0, node=0)
EXECUTORS: dict[str, Callable[[int, float], Executor]] = {
    "local": lambda tasks, grace: LocalExecutor(
        room=Room(tasks=tasks), grace=grace, retry=NOTHING_AGAIN
    ),
    "dry-run": lambda tasks, grace: DryRunExecutor(),
}
REAL = [name for name in EXECUTORS if name != "dry-run"]

Make = Callable[..., Task]


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Executor:
    """Any executor, one task at a time."""
    return EXECUTORS[request.param](1, 1.0)


@pytest.fixture(params=REAL)
def real(request: pytest.FixtureRequest) -> Executor:
    """An executor that does start things, two tasks at a time."""
    return EXECUTORS[request.param](2, 1.0)


@pytest.fixture(params=REAL)
def single(request: pytest.FixtureRequest) -> Executor:
    """An executor that does start things, one at a time."""
    return EXECUTORS[request.param](1, 1.0)


def finish(executor: Executor, run: RunPaths, tasks: list[Task]) -> Handle:
    with executor.submit(run, tasks) as handle:
        handle.wait(0.02)
    return handle


def order_of_starts(run: RunPaths, handle: Handle) -> list[str]:
    if isinstance(handle, DryRunHandle):
        return [command.task for command in handle.commands]
    starts = [
        (entry.at, path.stem)
        for path in run.ledger_folder.iterdir()
        for entry in read_entries(path)
        if isinstance(entry, Started)
    ]
    return [name for _, name in sorted(starts)]


def traced(run: RunPaths) -> list[str]:
    path = run.folder / "trace.txt"
    return path.read_text().splitlines() if path.exists() else []


def statuses(run: RunPaths, tasks: list[Task]) -> dict[str, str]:
    return {task.id: read_state(run, task.id).status for task in tasks}


def open_gate(run: RunPaths) -> None:
    (run.folder / "gate").touch()


# Order and dependencies


def test_ready_tasks_start_in_the_order_of_the_plan(
    executor: Executor, run: RunPaths, make: Make
) -> None:
    tasks = [make(name) for name in ("c", "a", "b")]
    assert order_of_starts(run, finish(executor, run, tasks)) == ["c", "a", "b"]


def test_a_task_starts_after_all_that_it_needs(
    executor: Executor, run: RunPaths, make: Make
) -> None:
    first = make("first")
    left, right = make("left", needs=[first]), make("right", needs=[first])
    tasks = [first, left, right, make("last", needs=[left, right]), make("alone")]
    order = order_of_starts(run, finish(executor, run, tasks))
    assert order == ["first", "left", "right", "last", "alone"]


def test_a_graph_with_a_missing_need_is_refused_and_leaves_nothing(
    executor: Executor, run: RunPaths, make: Make
) -> None:
    with pytest.raises(ValueError, match="needs"):
        executor.submit(run, [make("b", needs=[make("a")])])
    assert not run.folder.exists()


# No duplicate work


def test_what_is_done_is_not_started_again(
    executor: Executor, run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    done = make("a")
    pretend(done, "done")
    handle = finish(executor, run, [done, make("b", needs=[done])])
    assert [d.reason for d in handle.decisions] == ["done", "new"]
    assert [d.action for d in handle.decisions] == ["skip", "run"]
    new = [name for name in order_of_starts(run, handle) if name != "a"]
    assert new == ["b"]
    assert len(read_entries(run.ledger("a"))) == 2


def test_only_what_depends_on_a_change_runs_again(
    executor: Executor, run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    train, other = make("train", lr=1.0), make("other")
    for task in (train, other, make("infer", needs=[train])):
        pretend(task, "done")
    train = make("train", lr=2.0)
    handle = executor.submit(run, [train, other, make("infer", needs=[train])])
    assert [d.reason for d in handle.decisions] == [
        "changed: lr 1.0 -> 2.0",
        "done",
        "changed: needs changed: train",
    ]
    handle.close()


def test_a_task_with_a_damaged_ledger_is_unknown_and_never_started(
    executor: Executor, run: RunPaths, make: Make
) -> None:
    bad = make("bad")
    run.create()
    append_line(run.ledger("bad"), "{this is no record}")
    append_line(run.ledger("bad"), "{nor this}")
    before = run.ledger("bad").read_bytes()
    handle = finish(executor, run, [bad, make("next", needs=[bad])])
    assert handle.decisions[0].action == "wait"
    assert "bad.jsonl:1" in handle.decisions[0].reason
    assert run.ledger("bad").read_bytes() == before
    assert not traced(run)
    if not isinstance(handle, DryRunHandle):
        assert read_state(run, "next").cause == "bad unknown"


def test_the_same_submit_again_starts_nothing(real: Executor, run: RunPaths, make: Make) -> None:
    tasks = [make("a"), make("b")]
    finish(real, run, tasks)
    handle = finish(real, run, tasks)
    assert {d.action for d in handle.decisions} == {"skip"}
    assert sorted(traced(run)) == ["begin a", "begin b", "end a", "end b"]


def test_a_second_submit_on_a_run_is_refused_by_name_and_does_no_harm(
    single: Executor, run: RunPaths, make: Make
) -> None:
    tasks = [make("a", "gated")]
    with single.submit(run, tasks) as handle:
        handle.poll()
        with pytest.raises(LockedError, match=f"pid {os.getpid()} on "):
            single.submit(run, tasks)
        open_gate(run)
        handle.wait(0.02)
    assert traced(run) == ["begin a", "end a"]


def test_a_worker_for_a_task_that_runs_already_does_nothing(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    task = make("a", "gated")
    with single.submit(run, [task]) as handle:
        handle.poll()
        eventually(lambda: traced(run) == ["begin a"])
        script = "import hpc.worker as w, sys; w.LOCK_WAIT = 0; sys.exit(w.main())"
        options = ["--runs", str(run.root), "--run", run.name, "--task", "a"]
        second = subprocess.run([sys.executable, "-c", script, *options], check=False)
        assert second.returncode == 76
        open_gate(run)
        handle.wait(0.02)
    assert traced(run) == ["begin a", "end a"]
    assert read_state(run, "a").attempt == 1


# Room


def test_never_more_tasks_run_at_once_than_allowed(
    real: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    tasks = [make(f"t{i}", "gated") for i in range(4)]
    with real.submit(run, tasks) as handle:
        handle.poll()
        eventually(lambda: len(traced(run)) == 2)
        handle.poll()
        assert list(statuses(run, tasks).values()) == ["running", "running", "pending", "pending"]
        open_gate(run)
        handle.wait(0.02)
    running = peak = 0
    for line in traced(run):
        running += 1 if line.startswith("begin") else -1
        peak = max(peak, running)
    assert peak == 2
    assert set(statuses(run, tasks).values()) == {"done"}


# Failure


def test_an_error_is_recorded_with_its_cause_and_its_traceback(
    single: Executor, run: RunPaths, make: Make
) -> None:
    finish(single, run, [make("a", "value_error")])
    state = read_state(run, "a")
    assert (state.status, state.cause) == ("failed", "ValueError: the frames do not fit")
    assert "raise ValueError" in "".join(state.tail)
    assert "Traceback (most recent call last)" in run.log("a").read_text()


def test_failure_blocks_what_depends_on_it_and_nothing_else(
    single: Executor, run: RunPaths, make: Make
) -> None:
    bad = make("bad", "value_error")
    child = make("child", needs=[bad])
    tasks = [bad, child, make("grandchild", needs=[child]), make("other")]
    finish(single, run, tasks)
    assert statuses(run, tasks) == {
        "bad": "failed",
        "child": "blocked",
        "grandchild": "blocked",
        "other": "done",
    }
    assert read_state(run, "child").cause == "bad failed"
    assert read_state(run, "grandchild").cause == "bad failed"
    assert traced(run) == ["begin other", "end other"]


def test_the_next_submit_runs_only_what_failed_or_was_blocked(
    single: Executor, run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    good, bad = make("good"), make("bad")
    pretend(good, "done")
    pretend(bad, "failed", cause="ValueError: x")
    handle = finish(single, run, [good, bad, make("next", needs=[bad])])
    assert [d.reason for d in handle.decisions] == ["done", "failed: ValueError: x", "new"]
    assert set(statuses(run, [good, bad]).values()) == {"done"}
    assert read_state(run, "next").status == "done"


def test_a_worker_that_dies_without_a_word_is_killed_not_done(
    single: Executor, run: RunPaths, make: Make
) -> None:
    tasks = [make("a", "dies")]
    finish(single, run, tasks)
    state = read_state(run, "a")
    assert state.status == "killed"
    assert "status 5" in (state.cause or "")


def test_a_worker_that_cannot_even_begin_has_failed(
    single: Executor, run: RunPaths, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    finish(single, run, [make("a")])
    state = read_state(run, "a")
    assert state.status == "failed"
    assert "did not begin" in (state.cause or "")


# Time


def test_a_task_beyond_its_time_is_ended(single: Executor, run: RunPaths, make: Make) -> None:
    tasks = [make("slow", "deaf", seconds=1), make("other")]
    finish(single, run, tasks)
    state = read_state(run, "slow")
    assert (state.status, state.cause) == ("timed_out", "timed out after 00:00:01")
    assert read_state(run, "other").status == "done"


def test_a_task_that_saves_its_state_when_its_time_is_up_goes_on_later(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    task = make("a", "polite", seconds=1)
    patient = replace(single, grace=30.0)  # to begin may take longer than the task may
    with patient.submit(run, [task]) as handle:

        def second_attempt() -> bool:
            handle.poll()
            return traced(run).count("begin a") == 2

        eventually(second_attempt)
        handle.cancel()
        handle.wait(0.02)
    assert traced(run)[:3] == ["begin a", "stop a", "begin a"]


# Requeue


def test_a_task_that_asks_for_it_is_run_again(single: Executor, run: RunPaths, make: Make) -> None:
    finish(single, run, [make("a", "second_time", at=3), make("b")])
    state = read_state(run, "a")
    assert (state.status, state.attempt, state.result) == ("done", 3, {"attempt": 3})


def test_a_task_cannot_ask_for_ever(run: RunPaths, make: Make) -> None:
    executor = replace(LocalExecutor(room=Room(tasks=1)), requeues=2)
    tasks = [make("a", "second_time", at=100)]
    finish(executor, run, [*tasks, make("b", needs=tasks)])
    state = read_state(run, "a")
    assert (state.status, state.attempt) == ("failed", 3)
    assert "more than 2 times" in (state.cause or "")
    assert read_state(run, "b").status == "blocked"


# Cancel


def test_a_running_task_is_cancelled_with_all_that_it_started(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    task = make("a", "parent")
    with single.submit(run, [task]) as handle:
        handle.poll()
        eventually((run.folder / "child").exists)
        handle.cancel(["a"])
        handle.wait(0.02)
    child = int((run.folder / "child").read_text())
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")
    assert read_state(run, "a").status == "cancelled"


def test_a_polite_task_has_time_to_save_its_state_before_it_is_cancelled(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    with single.submit(run, [make("a", "polite")]) as handle:
        handle.poll()
        eventually(lambda: traced(run) == ["begin a"])
        handle.cancel()
        handle.wait(0.02)
    assert traced(run) == ["begin a", "stop a"]
    assert read_state(run, "a").status == "cancelled"


def test_cancelling_one_task_leaves_the_others_to_run(
    single: Executor, run: RunPaths, make: Make
) -> None:
    first = make("first")
    tasks = [first, make("second", needs=[first]), make("third")]
    with single.submit(run, tasks) as handle:
        handle.cancel(["first"])
        handle.wait(0.02)
    assert statuses(run, tasks) == {"first": "cancelled", "second": "blocked", "third": "done"}
    assert "first" not in order_of_starts(run, handle)


def test_cancelling_the_run_leaves_nothing_to_do(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    tasks = [make("a", "gated"), make("b"), make("c")]
    with single.submit(run, tasks) as handle:
        handle.poll()
        eventually(lambda: traced(run) == ["begin a"])
        handle.cancel()
        handle.wait(0.02)
    assert set(statuses(run, tasks).values()) == {"cancelled"}


def test_a_name_that_is_no_task_cannot_be_cancelled(
    single: Executor, run: RunPaths, make: Make
) -> None:
    with single.submit(run, [make("a")]) as handle:
        with pytest.raises(UserError, match="no task is named b"):
            handle.cancel(["b"])
        handle.wait(0.02)


def test_another_process_can_cancel_a_running_and_a_waiting_task(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    tasks = [make("a", "polite"), make("b"), make("c")]
    with single.submit(run, tasks) as handle:
        handle.poll()
        eventually(lambda: traced(run) == ["begin a"])
        script = (
            "import sys; from pathlib import Path; from hpc.paths import RunPaths;"
            "from hpc.cancel import cancel_tasks;"
            "print(cancel_tasks(RunPaths(Path(sys.argv[1]), sys.argv[2]), ['a', 'b']))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(run.root), run.name],
            check=True,
            capture_output=True,
            text=True,
        )
        handle.wait(0.02)
    assert done.stdout.strip() == "('a', 'b')"
    assert statuses(run, tasks) == {"a": "cancelled", "b": "cancelled", "c": "done"}


def test_a_deaf_task_is_killed_by_the_one_who_cancels_it(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    with single.submit(run, [make("a", "deaf")]) as handle:
        handle.poll()
        eventually(lambda: traced(run) == ["begin a"])
        assert cancel_tasks(run, ["a"], grace=0.1) == ("a",)
        handle.wait(0.02)
    assert read_state(run, "a").status == "cancelled"


def test_what_was_cancelled_runs_again_with_the_next_submit(
    single: Executor, run: RunPaths, make: Make
) -> None:
    tasks = [make("a")]
    with single.submit(run, tasks) as handle:
        handle.cancel()
        handle.wait(0.02)
    assert read_state(run, "a").status == "cancelled"
    handle = finish(single, run, tasks)
    assert handle.decisions[0].reason.startswith("cancelled by ")
    assert read_state(run, "a").status == "done"


def test_an_interrupted_submit_ends_its_workers_and_leaves_the_rest_to_the_next(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    first = make("a", "polite")
    tasks = [first, make("b", needs=[first]), make("c")]

    def interrupted() -> None:
        with single.submit(run, tasks) as handle:
            handle.poll()
            eventually(lambda: traced(run) == ["begin a"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert statuses(run, tasks) == {"a": "cancelled", "b": "pending", "c": "pending"}
    single.submit(run, tasks).close()  # the lock is free


# Crashes


@pytest.fixture
def submitter(
    run: RunPaths, submit_script: os.PathLike[str]
) -> Iterator[Callable[[list[Task]], subprocess.Popen[str]]]:
    """Start a submit in a process of its own; whatever is left of it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(tasks: list[Task]) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(submit_script), str(run.root), run.name],
            stdin=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(TypeAdapter(list[Task]).dump_json(tasks).decode())
        process.stdin.close()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def kill_hard(process: Process | subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    if isinstance(process, subprocess.Popen):
        process.wait()


def test_a_worker_killed_hard_is_seen_and_run_again_by_the_next_submit(
    single: Executor, run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    tasks = [make("a", "gated")]
    with single.submit(run, tasks) as handle:
        handle.poll()
        eventually(lambda: traced(run) == ["begin a"])
        worker = read_state(run, "a").process
        assert worker is not None
        kill_hard(worker)
        handle.wait(0.02)
    assert read_state(run, "a").status == "killed"
    open_gate(run)
    handle = finish(single, run, tasks)
    assert handle.decisions[0].reason.startswith("killed: by SIGKILL")
    assert read_state(run, "a").status == "done"


def test_workers_outlive_a_killed_submit_and_the_next_one_adopts_them(
    real: Executor,
    run: RunPaths,
    make: Make,
    eventually: Callable[..., None],
    submitter: Callable[[list[Task]], subprocess.Popen[str]],
) -> None:
    first = make("a", "gated")
    tasks = [first, make("b", needs=[first])]
    process = submitter(tasks)
    eventually(lambda: traced(run) == ["begin a"])
    kill_hard(process)
    with real.submit(run, tasks) as handle:
        assert handle.decisions[0].action == "wait"
        assert handle.decisions[0].reason.startswith("running (pid ")
        handle.poll()
        open_gate(run)
        handle.wait(0.02)
    assert traced(run) == ["begin a", "end a", "begin b", "end b"]


def test_a_worker_that_ended_after_its_submit_was_killed_has_done_its_work(
    real: Executor,
    run: RunPaths,
    make: Make,
    eventually: Callable[..., None],
    submitter: Callable[[list[Task]], subprocess.Popen[str]],
) -> None:
    tasks = [make("a", "gated")]
    process = submitter(tasks)
    eventually(lambda: traced(run) == ["begin a"])
    kill_hard(process)
    open_gate(run)
    eventually(lambda: read_state(run, "a").status == "done")
    assert finish(real, run, tasks).decisions[0].reason == "done"


def test_submit_and_worker_both_killed_lose_one_attempt_and_no_more(
    real: Executor,
    run: RunPaths,
    make: Make,
    eventually: Callable[..., None],
    submitter: Callable[[list[Task]], subprocess.Popen[str]],
) -> None:
    tasks = [make("done-before"), make("a", "gated")]
    process = submitter(tasks)
    eventually(lambda: "begin a" in traced(run) and "end done-before" in traced(run))
    eventually(lambda: read_state(run, "done-before").status == "done")
    kill_hard(process)
    worker = read_state(run, "a").process
    assert worker is not None
    kill_hard(worker)
    eventually(lambda: worker.is_alive() is False)
    open_gate(run)
    handle = finish(real, run, tasks)
    assert [d.action for d in handle.decisions] == ["skip", "run"]
    assert handle.decisions[1].reason.startswith("killed: ")
    assert statuses(run, tasks) == {"done-before": "done", "a": "done"}
    assert traced(run).count("begin done-before") == 1


def test_a_task_adopted_with_older_settings_runs_again_with_the_new_ones(
    real: Executor,
    run: RunPaths,
    make: Make,
    eventually: Callable[..., None],
    submitter: Callable[[list[Task]], subprocess.Popen[str]],
) -> None:
    process = submitter([make("a", "gated", steps=8)])
    eventually(lambda: traced(run) == ["begin a"])
    kill_hard(process)
    new = make("a", "gated", steps=16)
    with real.submit(run, [new]) as handle:
        assert "with other settings" in handle.decisions[0].reason
        open_gate(run)
        handle.wait(0.02)
    state = read_state(run, "a")
    assert (state.status, state.done_key, state.attempt) == ("done", new.key, 2)


def test_the_time_limit_holds_for_an_adopted_worker_too(
    real: Executor,
    run: RunPaths,
    make: Make,
    eventually: Callable[..., None],
    submitter: Callable[[list[Task]], subprocess.Popen[str]],
) -> None:
    tasks = [make("a", "deaf", seconds=2)]
    process = submitter(tasks)
    eventually(lambda: traced(run) == ["begin a"])
    kill_hard(process)
    finish(real, run, tasks)
    assert read_state(run, "a").status == "timed_out"
