"""The ledger: what records come to, whoever died while writing them."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.errors import StateError
from hpc.ledger import (
    Blocked,
    CancelAsked,
    Ended,
    Entry,
    Queued,
    Started,
    TaskState,
    append,
    fold,
    folded_state,
    read_entries,
    read_state,
    read_states,
    settle,
)
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.task import Task

ME = Process.current()


def started(
    attempt: int = 1, key: str = "k", process: Process = ME, job: str | None = None
) -> Started:
    return Started(at=10.0, attempt=attempt, key=key, process=process, job=job)


def ended(outcome: str = "done", attempt: int = 1, **more: object) -> Ended:
    return Ended(at=12.5, attempt=attempt, outcome=outcome, **more)


def status(*entries: Entry) -> str:
    return fold(entries).status


# fold


def test_a_task_without_records_is_pending() -> None:
    assert fold([]) == TaskState()
    assert fold([]).status == "pending"


def test_a_started_task_runs_somewhere() -> None:
    state = fold([Started(attempt=1, key="k", process=ME, job="12_3")])
    assert (state.status, state.attempt, state.key) == ("running", 1, "k")
    assert (state.host, state.pid, state.job) == (ME.host, ME.pid, "12_3")


@pytest.mark.parametrize("outcome", ["done", "failed", "timed_out", "killed", "requeued"])
def test_an_ended_attempt_is_what_its_record_says(outcome: str) -> None:
    state = fold([started(), ended(outcome)])
    assert state.status == outcome
    assert state.seconds == 2.5


def test_a_done_task_keeps_its_result_and_the_key_it_has_it_under() -> None:
    state = fold([started(key="abc"), ended(result={"R": 0.0118})])
    assert (state.done_key, state.result) == ("abc", {"R": 0.0118})


def test_a_failed_task_keeps_its_cause() -> None:
    state = fold([started(), ended("failed", cause="boom", error="ValueError", tail=("x",))])
    assert (state.cause, state.error, state.tail) == ("boom", "ValueError", ("x",))


def test_results_in_place_stay_done_until_somebody_begins_to_overwrite_them() -> None:
    done = [started(key="old"), ended()]
    queued = fold([*done, Queued(key="new")])
    assert (queued.status, queued.done_key) == ("pending", "old")
    running = fold([*done, Queued(key="new"), started(2, "new")])
    assert (running.status, running.done_key, running.result) == ("running", None, None)


def test_results_are_done_no_more_once_they_are_queued_to_be_made_again() -> None:
    again = fold([started(key="k"), ended(result={"R": 0.0118}), Queued(key="k")])
    assert (again.status, again.done_key, again.result) == ("pending", None, None)


def test_a_late_word_about_an_earlier_attempt_changes_nothing() -> None:
    assert status(started(), started(2), ended("failed", attempt=1)) == "running"


def test_what_succeeded_stays_done_whatever_a_watcher_adds() -> None:
    assert status(started(), ended("done"), ended("killed")) == "done"


def test_a_waiting_task_that_is_cancelled_will_not_run() -> None:
    assert status(CancelAsked(by="eve")) == "cancelled"
    assert status(started(), ended("requeued"), CancelAsked(by="eve")) == "cancelled"
    assert fold([CancelAsked(by="eve")]).cause == "by eve"


def test_a_running_task_that_is_cancelled_runs_until_it_ends_and_then_is_cancelled() -> None:
    asked = [started(), CancelAsked(by="eve")]
    assert fold(asked).cancel == "by eve"
    assert status(*asked) == "running"
    for outcome in ("failed", "killed", "requeued", "timed_out"):
        assert status(*asked, ended(outcome)) == "cancelled"


def test_a_task_that_was_done_before_it_took_notice_is_done() -> None:
    assert status(started(), CancelAsked(by="eve"), ended("done")) == "done"


def test_a_wish_to_cancel_holds_for_a_worker_that_was_on_its_way() -> None:
    state = fold([CancelAsked(by="eve"), started()])
    assert (state.status, state.cancel) == ("running", "by eve")


@pytest.mark.parametrize("outcome", ["done", "failed", "killed"])
def test_what_is_over_cannot_be_cancelled(outcome: str) -> None:
    assert status(started(), ended(outcome), CancelAsked(by="eve")) == outcome


def test_a_new_place_in_the_queue_voids_what_was_wished_before() -> None:
    state = fold([CancelAsked(by="eve"), Queued(key="k")])
    assert (state.status, state.cancel, state.cause) == ("pending", None, None)
    assert status(Blocked(cause="a failed"), Queued(key="k")) == "pending"


def test_a_task_handed_to_a_batch_system_is_queued_there_and_stays_of_its_batch() -> None:
    queued = Queued(key="k", batch="b1", retry="node", cause="without node2")
    state = fold([started(), ended("killed", fault="node"), queued])
    assert (state.status, state.batch, state.cause) == ("queued", "b1", "without node2")
    assert fold([queued, started(job="7_1")]).batch == "b1"
    assert fold([queued, started(job="7_1")]).job == "7_1"
    assert fold([queued, Queued(key="k")]).status == "pending"


def test_a_queued_task_that_is_cancelled_will_not_run() -> None:
    assert status(Queued(key="k", batch="b1"), CancelAsked(by="eve")) == "cancelled"


def test_the_first_word_on_a_failure_counts_but_success_outweighs_it() -> None:
    failed = ended("failed", cause="rank 1: ValueError")
    later = ended("failed", cause="connection closed by peer")
    assert fold([started(), failed, later]).cause == "rank 1: ValueError"
    assert status(started(), failed, ended("done")) == "done"
    assert status(started(), ended("requeued"), later) == "failed"


def test_a_fault_and_the_memory_of_an_attempt_are_kept_with_its_end() -> None:
    state = fold([started(), ended("killed", fault="memory", peak_mb=812.5)])
    assert (state.fault, state.peak_mb) == ("memory", 812.5)
    assert fold([started(), ended("killed", fault="memory"), started(attempt=2)]).fault is None


def test_a_blocked_task_says_by_what() -> None:
    state = fold([Blocked(cause="train failed")])
    assert (state.status, state.cause) == ("blocked", "train failed")


# settle


def test_a_task_whose_process_lives_is_running() -> None:
    state = fold([started()])
    assert settle(state) is state


def test_a_task_whose_process_is_gone_was_killed(dead_process: Process) -> None:
    state = settle(fold([started(process=dead_process)]))
    assert state.status == "killed"
    assert str(dead_process) in (state.cause or "")


def test_a_cancelled_task_whose_process_is_gone_is_cancelled(dead_process: Process) -> None:
    gone = fold([started(process=dead_process), CancelAsked(by="eve")])
    assert settle(gone).status == "cancelled"


def test_a_task_on_another_host_runs_until_somebody_cancels_it() -> None:
    elsewhere = started(process=Process(host="node7", pid=1, started="x"))
    assert settle(fold([elsewhere])).status == "running"
    assert settle(fold([elsewhere, CancelAsked(by="eve")])).status == "cancelled"


# reading and writing


@pytest.fixture
def history() -> list[Entry]:
    return [
        started(),
        ended("requeued"),
        started(2),
        CancelAsked(by="eve"),
        ended("failed", 2, cause="ünïcode\nand line breaks"),
        Queued(key="k2"),
        started(3, "k2"),
        ended(attempt=3, result={"nested": [1, {"x": None}]}),
        Blocked(cause="x"),
    ]


def test_records_are_read_as_they_were_written(history: list[Entry], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for entry in history:
        append(path, entry)
    assert read_entries(path) == history


def test_a_writer_killed_at_any_byte_costs_at_most_its_own_record(history: list[Entry]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.jsonl"
        for entry in history:
            append(whole, entry)
        data, torn = whole.read_bytes(), Path(folder) / "torn.jsonl"

        @settings(max_examples=40)
        @given(st.integers(0, len(data)))
        def check(cut: int) -> None:
            torn.write_bytes(data[:cut])
            known = history[: data[:cut].count(b"\n")]
            assert read_entries(torn) == known
            append(torn, Queued(at=1.0, key="next"))
            assert read_entries(torn) == [*known, Queued(at=1.0, key="next")]
            assert fold(read_entries(torn)).status == "pending"

        check()


entries = st.one_of(
    st.builds(Queued, key=st.sampled_from(["k", "l"])),
    st.builds(started, st.integers(1, 3), st.sampled_from(["k", "l"])),
    st.builds(
        ended,
        st.sampled_from(["done", "failed", "timed_out", "killed", "requeued"]),
        st.integers(1, 3),
    ),
    st.builds(CancelAsked, by=st.just("eve")),
    st.builds(Blocked, cause=st.just("a failed")),
)


@given(st.lists(entries, max_size=12))
def test_any_history_comes_to_a_state_that_does_not_contradict_itself(history: list[Entry]) -> None:
    state = fold(history)
    if state.status == "done":
        assert state.done_key == state.key
        assert state.cancel is None
    if state.status == "running":
        assert state.process is not None
        assert state.done_key is None
    if state.done_key:
        assert any(isinstance(e, Ended) and e.outcome == "done" for e in history)


def test_a_damaged_line_is_named_not_skipped(history: list[Entry], tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for entry in history[:3]:
        append(path, entry)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:20] + b"\n" + lines[2])
    with pytest.raises(StateError, match=r"a\.jsonl:2: this record is damaged"):
        read_entries(path)


def test_a_record_of_a_later_version_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"event":"paused","at":1.0}\n')
    with pytest.raises(StateError, match="paused"):
        read_entries(path)


def test_a_task_with_a_damaged_ledger_is_unknown_and_says_where(run: RunPaths) -> None:
    run.create()
    run.ledger("a").write_text("{}\n")
    states = read_states(run, ["a", "b"])
    assert states["a"].status == "unknown"
    assert "a.jsonl:1" in (states["a"].cause or "")
    assert states["b"].status == "pending"


def test_of_a_run_without_ledgers_every_task_is_pending(run: RunPaths) -> None:
    assert read_states(run, ["a", "b"]) == {"a": TaskState(), "b": TaskState()}


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, started())
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    with pytest.raises(StateError, match=r"a\.jsonl:2: this line is damaged: not text"):
        read_entries(path)


def test_a_worker_that_ends_while_one_looks_is_not_taken_for_killed(
    run: RunPaths,
    make: Callable[..., Task],
    pretend: Callable[..., None],
    dead_process: Process,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(make("a"), None, process=dead_process)

    def ends_just_now(process: Process) -> bool:
        if len(read_entries(run.ledger("a"))) == 1:
            append(run.ledger("a"), ended("done"))
        return False

    monkeypatch.setattr(Process, "is_alive", ends_just_now)
    assert read_state(run, "a").status == "done"


def test_a_ledger_that_is_no_file_makes_its_task_unknown_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").mkdir()
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "b.jsonl")
    for name in "ab":
        state = folded_state(tmp_path / f"{name}.jsonl")
        assert state.status == "unknown"
        assert "this ledger cannot be read (" in str(state.cause)
