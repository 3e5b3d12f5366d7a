"""The worker: what it records about a task, however the task ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from hpc.errors import LockedError, StateError
from hpc.heartbeat import read_heartbeat
from hpc.lease import Lease
from hpc.ledger import CancelAsked, Ended, Started, TaskState, append, read_entries, read_state
from hpc.paths import RunPaths
from hpc.process import this_host
from hpc.ranks import Ranks
from hpc.stopwish import StopWish
from hpc.task import Task
from hpc.worker import DEADLINE, Exit, Requeue, TaskContext, follow_task, run_task

Make = Callable[..., Task]


@pytest.fixture
def attempt(run: RunPaths, make: Make) -> Callable[..., tuple[Exit, TaskState]]:
    """Run a task in this process."""

    def once(entry: str, **params: object) -> tuple[Exit, TaskState]:
        write(run, make("a", entry, **params))
        status = run_task(run, "a")
        return status, read_state(run, "a")

    return once


def write(run: RunPaths, task: Task) -> None:
    run.create()
    run.task(task.id).write_text(task.model_dump_json())


def start(run: RunPaths) -> subprocess.Popen[bytes]:
    options = ["--runs", str(run.root), "--run", run.name, "--task", "a"]
    return subprocess.Popen([sys.executable, "-m", "hpc.worker", *options])


Attempt = Callable[..., tuple[Exit, TaskState]]


def test_a_task_that_returns_is_done_with_its_result(
    attempt: Attempt, run: RunPaths, make: Make
) -> None:
    status, state = attempt("noop", R=0.0118, names=["x", None])
    assert status == Exit.DONE
    assert (state.status, state.attempt) == ("done", 1)
    assert state.result == {"id": "a", "R": 0.0118, "names": ["x", None]}
    assert state.done_key == make("a", "noop", R=0.0118, names=["x", None]).key


def test_its_start_is_on_disk_before_it_begins(run: RunPaths, make: Make) -> None:
    write(run, make("a", "counting"))
    seen: list[object] = []
    (run.folder / "gate").touch()

    def stop() -> bool:
        seen.extend(read_entries(run.ledger("a")))
        return True

    write(run, make("a", "polite"))
    assert run_task(run, "a", stop=stop) == Exit.REQUEUED
    assert [type(entry) for entry in seen] == [Started]


@pytest.mark.parametrize(
    ("entry", "cause", "error"),
    [
        ("value_error", "ValueError: the frames do not fit", "ValueError"),
        ("user_error", "scan.npz: no frames. Give a file with frames", "UserError"),
        ("out_of_memory", "out of memory: Unable to allocate 3 TiB", "MemoryError"),
        ("leaves", "the entry point ended the process (exit status 3)", "SystemExit"),
    ],
)
def test_a_failure_is_recorded_with_its_cause(
    attempt: Attempt, entry: str, cause: str, error: str
) -> None:
    status, state = attempt(entry)
    assert status == Exit.FAILED
    assert (state.status, state.cause, state.error) == ("failed", cause, error)


def test_a_full_disk_behind_other_errors_is_named(attempt: Attempt) -> None:
    _, state = attempt("disk_full")
    assert (state.cause or "").startswith("no space left on the disk: ")
    assert "object.zarr" in (state.cause or "")


def test_a_mistake_of_the_user_has_no_traceback(
    attempt: Attempt, capfd: pytest.CaptureFixture[str]
) -> None:
    _, state = attempt("user_error")
    assert state.tail == ()
    assert "Traceback" not in capfd.readouterr().err


def test_a_result_that_is_not_json_is_a_failure_not_a_loss(attempt: Attempt) -> None:
    _, state = attempt("no_json")
    assert state.status == "failed"
    assert "not JSON: result.array" in (state.cause or "")


@pytest.mark.parametrize("entry", ["missing", "noop:x"])
def test_an_entry_point_that_does_not_exist_is_a_failure(
    run: RunPaths, make: Make, entry: str
) -> None:
    write(run, make("a").model_copy(update={"entry": f"batch_entries:{entry}"}))
    if ":" in entry:  # not even a task
        with pytest.raises(StateError, match="entry"):
            run_task(run, "a")
        return
    assert run_task(run, "a") == Exit.FAILED
    assert "AttributeError" in (read_state(run, "a").cause or "")


def test_a_task_may_ask_to_be_run_again_and_attempts_are_counted(attempt: Attempt) -> None:
    assert attempt("second_time", at=2)[0] == Exit.REQUEUED
    status, state = attempt("second_time", at=2)
    assert (status, state.status, state.attempt) == (Exit.DONE, "done", 2)


def test_a_task_that_was_cancelled_meanwhile_does_not_begin(run: RunPaths, make: Make) -> None:
    write(run, make("a"))
    append(run.ledger("a"), CancelAsked(by="eve"))
    run_task(run, "a")
    assert read_state(run, "a").status == "cancelled"
    assert not (run.folder / "trace.txt").exists()


def test_a_missing_task_is_said_and_nothing_recorded(run: RunPaths) -> None:
    run.create()
    with pytest.raises(StateError, match=r"a\.json: this file is missing"):
        run_task(run, "a")
    assert not run.ledger("a").exists()


def test_two_workers_never_run_one_task_at_once(
    run: RunPaths, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc.worker.LOCK_WAIT", 0)
    write(run, make("a"))
    with Lease(run.task_lock("a"), "a is run"), pytest.raises(LockedError, match="a is run by"):
        run_task(run, "a")
    assert not run.ledger("a").exists()


def test_what_another_worker_has_done_meanwhile_is_not_done_twice(
    attempt: Attempt, run: RunPaths
) -> None:
    assert attempt("noop") == attempt("noop")
    assert len(read_entries(run.ledger("a"))) == 2


def test_the_job_of_a_batch_system_is_recorded(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    assert attempt("noop", n=1)[1].job == "12"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "9")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    assert attempt("noop", n=2)[1].job == "9_4"


def test_entry_points_and_worker_mean_the_same_requeue() -> None:
    # `python -m hpc.worker` is `__main__`; a class defined there would exist twice
    assert Requeue.__module__ == TaskContext.__module__ == "hpc.context"


# Faults


def test_too_little_memory_is_a_fault(attempt: Attempt) -> None:
    _, state = attempt("out_of_memory")
    assert (state.status, state.fault) == ("failed", "memory")


def test_too_little_memory_of_a_gpu_is_none_for_more_of_it_is_not_for_the_asking(
    attempt: Attempt,
) -> None:
    _, state = attempt("out_of_gpu_memory")
    assert (state.status, state.fault) == ("failed", None)
    assert (state.cause or "").startswith("out of memory: CUDA out of memory")


@pytest.mark.parametrize("entry", ["value_error", "user_error", "disk_full", "leaves"])
def test_an_error_is_no_fault(attempt: Attempt, entry: str) -> None:
    assert attempt(entry)[1].fault is None


@pytest.mark.parametrize(
    ("entry", "fault", "exit_status", "outcome"),
    [
        ("polite", "time", Exit.REQUEUED, "requeued"),
        ("polite", "preemption", Exit.REQUEUED, "requeued"),
        ("polite", None, Exit.REQUEUED, "requeued"),
        ("stuck", "time", Exit.FAILED, "timed_out"),
        ("stuck", "preemption", Exit.REQUEUED, "requeued"),
        ("stuck", None, Exit.REQUEUED, "requeued"),
    ],
)
def test_who_runs_out_of_time_goes_on_only_if_progress_was_kept(
    run: RunPaths,
    make: Make,
    entry: str,
    fault: str | None,
    exit_status: Exit,
    outcome: str,
) -> None:
    write(run, make("a", entry))
    done = run_task(run, "a", stop=lambda: True, fault_of=lambda task, seconds: fault)
    state = read_state(run, "a")
    assert (done, state.status, state.fault) == (exit_status, outcome, fault)


def test_what_ends_in_time_has_no_fault_whatever_a_stop_would_have_meant(
    run: RunPaths, make: Make
) -> None:
    write(run, make("a"))
    run_task(run, "a", fault_of=lambda task, seconds: "time")
    assert read_state(run, "a").fault is None


@pytest.mark.parametrize(("seconds", "fault"), [(1, "time"), (3600, None)])
def test_a_stop_when_the_time_is_up_is_due_to_the_time(
    run: RunPaths,
    make: Make,
    eventually: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    fault: str | None,
) -> None:
    """By the clock of who started it, however long it took to begin."""
    write(run, make("a", "polite", seconds=3600))
    monkeypatch.setenv(DEADLINE, str(time.time() + seconds))
    worker = start(run)
    eventually((run.folder / "trace.txt").exists)
    worker.terminate()
    assert worker.wait() == Exit.REQUEUED
    assert read_state(run, "a").fault == fault


@pytest.mark.parametrize("entry", ["noop", "value_error", "second_time"])
def test_every_end_tells_how_much_memory_was_taken(attempt: Attempt, entry: str) -> None:
    _, state = attempt(entry, at=2)
    assert state.peak_mb is not None
    assert 1 < state.peak_mb < 100_000


# Ranks but the first

SECOND = Ranks(rank=1, size=2)


def test_a_rank_that_fails_is_recorded_in_the_place_of_the_first(
    run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    pretend(make("a", "out_of_memory"), None)
    assert follow_task(run, "a", SECOND) == Exit.FAILED
    state = read_state(run, "a")
    assert (state.status, state.attempt, state.fault) == ("failed", 1, "memory")
    assert state.cause == f"rank 1 on {this_host()}: out of memory: Unable to allocate 3 TiB"
    assert state.error == "MemoryError"


def test_the_first_rank_that_fails_because_of_it_does_not_hide_the_cause(
    run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    pretend(make("a", "value_error"), None)
    follow_task(run, "a", SECOND)
    append(run.ledger("a"), Ended(attempt=1, outcome="failed", cause="Connection reset by peer"))
    assert (read_state(run, "a").cause or "").endswith("ValueError: the frames do not fit")


@pytest.mark.parametrize("entry", ["noop", "polite"])
def test_a_rank_that_ends_as_it_should_says_nothing(
    run: RunPaths, make: Make, pretend: Callable[..., None], entry: str
) -> None:
    pretend(make("a", entry), None)
    assert follow_task(run, "a", SECOND, stop=lambda: True) == Exit.DONE
    assert [type(entry) for entry in read_entries(run.ledger("a"))] == [Started]


def test_a_rank_that_fails_at_once_waits_for_the_first_to_have_begun(
    run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    task = make("a", "value_error")
    write(run, task)
    threading.Timer(0.3, pretend, (task, None)).start()
    assert follow_task(run, "a", SECOND) == Exit.FAILED
    assert read_state(run, "a").status == "failed"


def test_a_rank_whose_first_one_never_begins_records_nothing(
    run: RunPaths, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc.worker.FIRST_RANK_WAIT", 0.1)
    write(run, make("a", "value_error"))
    assert follow_task(run, "a", SECOND) == Exit.FAILED
    assert read_entries(run.ledger("a")) == []


def test_only_the_first_rank_has_a_heartbeat(
    run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    pretend(make("a", "counting"), None)
    (run.folder / "gate").touch()
    follow_task(run, "a", SECOND)
    assert read_heartbeat(run.heartbeat("a")) is None


# As a process


def test_all_that_is_said_goes_to_the_log_under_a_line_for_each_attempt(
    run: RunPaths, make: Make
) -> None:
    for settings in (1, 2):
        write(run, make("a", "speaks", settings=settings))
        assert start(run).wait() == Exit.DONE
    lines = run.log("a").read_text().splitlines()
    assert [line for line in lines if line.startswith("=== a, attempt")] == [lines[0], lines[5]]
    assert sorted(lines[1:4]) == ["said by a child", "said on stderr", "said on stdout"]
    assert lines[4].startswith("=== done after ")


def test_a_signal_asks_and_does_not_kill(
    run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    for number in (signal.SIGTERM, signal.SIGUSR2):
        (run.folder / "trace.txt").unlink(missing_ok=True)
        write(run, make("a", "polite"))
        worker = start(run)
        eventually((run.folder / "trace.txt").exists)
        worker.send_signal(number)
        assert worker.wait() == Exit.REQUEUED
    state = read_state(run, "a")
    assert (state.status, state.cause, state.attempt) == ("requeued", "state saved", 2)


def test_a_recorded_cancel_reaches_a_worker_without_a_signal(
    run: RunPaths, make: Make, eventually: Callable[..., None]
) -> None:
    write(run, make("a", "polite"))
    worker = start(run)
    eventually((run.folder / "trace.txt").exists)
    append(run.ledger("a"), CancelAsked(by="eve"))
    worker.wait()
    assert read_state(run, "a").status == "cancelled"


def test_the_last_heartbeat_is_there_when_the_task_has_ended(run: RunPaths, make: Make) -> None:
    write(run, make("a", "counting"))
    (run.folder / "gate").touch()
    run_task(run, "a")
    beat = read_heartbeat(run.heartbeat("a"))
    assert beat is not None
    assert (beat.step, beat.total, beat.figures["phase"]) == (3, 4, "fit")


def test_a_process_that_cannot_begin_says_so_in_the_log(run: RunPaths) -> None:
    run.create()
    assert start(run).wait() == Exit.NOT_STARTED
    assert "this file is missing" in run.log("a").read_text()


def test_a_disk_too_full_for_the_record_is_told_by_the_exit_status(
    run: RunPaths, make: Make
) -> None:
    write(run, make("a"))
    script = (
        "import errno, sys, hpc.worker as worker\n"
        "def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "worker.append = full\n"
        "sys.exit(worker.main())"
    )
    options = ["--runs", str(run.root), "--run", run.name, "--task", "a"]
    done = subprocess.run([sys.executable, "-c", script, *options], check=False)
    assert done.returncode == Exit.DISK_FULL
    assert "no space left on the disk" in run.log("a").read_text()


def test_a_forked_child_dies_of_the_signals_the_worker_only_notes() -> None:
    script = (
        "import os, signal, time; from pathlib import Path; from hpc.stopwish import StopWish\n"
        "StopWish(Path('none')).listen()\n"
        "ours, theirs = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os.write(theirs, b'x')\n"
        "    time.sleep(20)\n"
        "    os._exit(0)\n"
        "os.read(ours, 1)\n"
        "os.kill(child, signal.SIGTERM)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) == -signal.SIGTERM


def test_the_wish_to_stop_is_remembered(
    run: RunPaths, make: Make, pretend: Callable[..., None]
) -> None:
    pretend(make("a"), None)
    wish = StopWish(run.ledger("a"))
    assert not wish()
    wish.asked = True
    assert wish()


def test_a_signal_that_comes_during_the_look_at_the_ledger_is_not_lost(
    run: RunPaths, make: Make, pretend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(make("a"), None)
    wish = StopWish(run.ledger("a"))

    def read_while_a_signal_comes(path: object) -> list[Started]:
        wish.asked = True
        return []

    monkeypatch.setattr("hpc.stopwish.read_entries", read_while_a_signal_comes)
    assert wish()


def test_records_tell_attempt_process_and_times(attempt: Attempt, run: RunPaths) -> None:
    attempt("noop")
    first, last = read_entries(run.ledger("a"))
    assert isinstance(first, Started)
    assert isinstance(last, Ended)
    assert first.process.pid == os.getpid()
    assert first.at <= last.at
