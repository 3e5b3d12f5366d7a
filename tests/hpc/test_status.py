"""Status: the whole run at a glance, from files alone."""

import json
import os
import time
from collections.abc import Callable

import pytest

from hpc.errors import StateError, UserError
from hpc.heartbeat import HeartbeatWriter
from hpc.lease import Lease
from hpc.ledger import Blocked, CancelAsked, Status, append
from hpc.memory import peak_mb
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.status import Row, RunStatus, StatusReader, estimate, read_status
from hpc.submission import plan_run, record_submission
from hpc.task import Task

Make = Callable[..., Task]
Pretend = Callable[..., None]


def submit(run: RunPaths, tasks: list[Task]) -> None:
    record_submission(run, plan_run(run, tasks))


def row(status: RunStatus, name: str) -> Row:
    return next(row for row in status.rows if row.id == name)


def test_a_run_nobody_submitted_is_named_beside_those_there_are(run: RunPaths, make: Make) -> None:
    submit(run, [make("a")])
    with pytest.raises(UserError, match=r"no run named 'other'.*Runs in this folder: demo"):
        read_status(RunPaths(run.root, "other"))
    with pytest.raises(UserError, match="Runs in this folder: none"):
        read_status(RunPaths(run.root / "nowhere", "other"))


def test_a_ledger_that_was_moved_away_is_forgotten(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    submit(run, [make("a")])
    pretend(make("a"), "failed")
    reader = StatusReader(run)
    assert row(reader.read(), "a").status == "failed"
    run.ledger("a").rename(run.folder / "aside")
    assert row(reader.read(), "a").status == "pending"


def test_every_planned_task_has_a_row_in_the_order_of_the_plan(
    run: RunPaths, make: Make, pretend: Pretend, dead_process: Process
) -> None:
    tasks = [make(name) for name in ("done", "failed", "running", "killed", "blocked", "new")]
    submit(run, tasks)
    pretend(tasks[0], "done")
    pretend(tasks[1], "failed", cause="ValueError: no", tail=("line",))
    pretend(tasks[2], None)
    pretend(tasks[3], None, process=dead_process)
    append(run.ledger("blocked"), Blocked(cause="failed failed"))
    status = read_status(run)
    assert [row.id for row in status.rows] == [task.id for task in tasks]
    assert [row.status for row in status.rows] == [*(t.id for t in tasks[:5]), "pending"]
    assert status.counts == dict.fromkeys([*(t.id for t in tasks[:5]), "pending"], 1)
    assert (row(status, "failed").cause, row(status, "failed").tail) == (
        "ValueError: no",
        ("line",),
    )
    assert row(status, "done").seconds is not None
    assert not status.is_over
    assert not status.is_done


def test_a_run_is_over_when_nothing_goes_on_and_done_when_all_succeeded(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    tasks = [make("a"), make("b")]
    submit(run, tasks)
    pretend(tasks[0], "done")
    pretend(tasks[1], "failed")
    assert read_status(run).is_over
    assert not read_status(run).is_done
    pretend(tasks[1], "done")
    assert read_status(run).is_done


def test_a_running_task_shows_its_progress_and_figures(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = make("a")
    submit(run, [task])
    pretend(task, None)
    start = time.time() - 20
    times = iter([start, start + 10])
    writer = HeartbeatWriter(run.heartbeat("a"), 1, clock=lambda: next(times))
    writer.beat(0, 40, {})
    writer.beat(10, 40, {"loss": 0.5, "frames_per_s": 120.0})
    found = row(read_status(run), "a")
    assert (found.step, found.total, found.progress) == (10, 40, 0.25)
    assert found.figures == {"loss": 0.5, "frames_per_s": 120.0}
    assert found.eta == pytest.approx(20, abs=5)
    assert found.pid == Process.current().pid


def test_the_heartbeat_of_an_earlier_attempt_is_not_shown(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = make("a")
    submit(run, [task])
    pretend(task, "requeued")
    HeartbeatWriter(run.heartbeat("a"), 1).beat(39, 40, {"loss": 0.1})
    pretend(task, None)
    found = row(read_status(run), "a")
    assert (found.attempt, found.progress, found.figures) == (2, None, {})


def test_results_of_other_settings_do_not_count(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    old, new = make("a", steps=8), make("a", steps=16)
    pretend(old, "done")
    submit(run, [new])
    assert row(read_status(run), "a").status == "pending"
    submit(run, [old])
    assert row(read_status(run), "a").status == "done"


def test_a_task_that_was_asked_to_stop_says_so(run: RunPaths, make: Make, pretend: Pretend) -> None:
    task = make("a")
    submit(run, [task])
    pretend(task, None)
    append(run.ledger("a"), CancelAsked(by="eve"))
    assert row(read_status(run), "a").cause == "asked to stop by eve"


def test_a_damaged_ledger_is_one_unknown_task_not_a_broken_status(
    run: RunPaths, make: Make
) -> None:
    submit(run, [make("a"), make("b")])
    run.ledger("a").write_text("{torn in the middle}\n")
    status = read_status(run)
    assert [row.status for row in status.rows] == ["unknown", "pending"]
    assert "a.jsonl:1" in (row(status, "a").cause or "")


def test_it_says_who_is_at_work_on_the_run(run: RunPaths, make: Make) -> None:
    submit(run, [make("a")])
    assert read_status(run).submitter is None
    with Lease(run.lock, "the run is worked on"):
        assert str(Process.current()) in (read_status(run).submitter or "")


def test_json_for_programs_holds_rows_counts_and_stages(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    tasks = [make("a", stage="prepare"), make("b", stage="train"), make("c", stage="train")]
    submit(run, tasks)
    pretend(tasks[0], "done")
    found = json.loads(read_status(run).to_json())
    assert found["counts"] == {"done": 1, "pending": 2}
    assert found["stages"] == [
        {"stage": "prepare", "counts": {"done": 1}},
        {"stage": "train", "counts": {"pending": 2}},
    ]
    assert found["rows"][0]["status"] == "done"
    assert found["eta"] is None


def test_a_reader_sees_every_change_though_it_reads_only_what_changed(
    run: RunPaths, make: Make, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = [make(f"t{i}") for i in range(20)]
    submit(run, tasks)
    for task in tasks[:10]:
        pretend(task, "done")
    reader = StatusReader(run)
    assert reader.read().counts == {"done": 10, "pending": 10}
    read: list[str] = []
    from hpc.status import reader as module

    folded = module.folded_state
    monkeypatch.setattr(
        module, "folded_state", lambda entry: (read.append(entry.name), folded(entry))[1]
    )
    pretend(tasks[10], "failed")
    assert reader.read().counts == {"done": 10, "failed": 1, "pending": 9}
    assert read == ["t10.jsonl"]
    submit(run, tasks[:5])
    assert reader.read().counts == {"done": 5}


# The time left


def rows(*given: tuple[str, str, float | None, float | None]) -> list[Row]:
    return [
        Row(id=f"t{i}", stage=stage, status=status, seconds=seconds, eta=eta)
        for i, (stage, status, seconds, eta) in enumerate(given)
    ]


def test_nothing_left_takes_no_time() -> None:
    assert estimate(rows(("train", "done", 5.0, None), ("train", "failed", 5.0, None))) == 0


def test_without_anything_to_judge_by_nothing_is_said() -> None:
    assert estimate(rows(("train", "done", 5.0, None), ("infer", "pending", None, None))) is None
    assert estimate(rows(("train", "running", 5.0, None))) is None


def test_what_is_left_is_shared_by_those_that_run() -> None:
    given = rows(
        ("infer", "done", 8.0, None),
        ("infer", "done", 12.0, None),
        ("infer", "running", 4.0, None),
        ("infer", "running", 3.0, 5.0),
        ("infer", "pending", None, None),
    )
    assert estimate(given) == pytest.approx((6 + 5 + 10) / 2)


def test_a_running_task_that_knows_its_end_speaks_for_those_that_wait() -> None:
    given = rows(("train", "running", 30.0, 10.0), ("train", "pending", None, None))
    assert estimate(given) == pytest.approx(10 + 40)


# What is used of what was asked for


def test_a_row_says_what_was_asked_for_and_used(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = make("a", seconds=100, mem_gb=2)
    submit(run, [task])
    found = row(read_status(run), "a")
    assert (found.mem_gb, found.time_limit, found.peak_mb) == (2, 100, None)
    assert (found.memory_share, found.time_share) == (None, None)
    pretend(task, "done", peak_mb=500.0)
    found = row(read_status(run), "a")
    assert (found.peak_mb, found.memory_share) == (500, 0.25)
    assert found.time_share == pytest.approx((found.seconds or 0) / 100)


def test_a_running_task_tells_its_memory_by_its_heartbeat(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = make("a")
    submit(run, [task])
    pretend(task, None)
    assert row(read_status(run), "a").peak_mb is None
    HeartbeatWriter(run.heartbeat("a"), 1).beat(1, 2, {})
    assert row(read_status(run), "a").peak_mb == pytest.approx(peak_mb(), rel=0.2)


def test_memory_on_a_node_is_that_of_all_its_processes(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = make("a", mem_gb=2)
    four = task.resources.model_copy(update={"tasks_per_node": 4, "nodes": 2})
    submit(run, [task.model_copy(update={"resources": four})])
    pretend(task, "done", peak_mb=250.0)
    found = row(read_status(run), "a")
    assert (found.peak_mb, found.memory_share) == (1000, 0.5)


def test_a_plan_of_an_older_version_says_nothing_of_what_was_asked(
    run: RunPaths, make: Make
) -> None:
    submit(run, [make("a")])
    plan = json.loads(run.plan.read_text())
    del plan["tasks"][0]["resources"]
    run.plan.write_text(json.dumps(plan))
    found = row(read_status(run), "a")
    assert (found.mem_gb, found.time_limit, found.memory_share) == (None, None, None)


# The whole run


def test_it_says_when_the_run_was_submitted_and_last_changed(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    submit(run, [make("a")])
    status = read_status(run)
    assert status.submitted == status.changed == pytest.approx(run.plan.stat().st_mtime)
    pretend(make("a"), None)
    os.utime(run.ledger("a"), (2e9, 2e9))
    status = read_status(run)
    assert (status.changed, status.submitted) == (2e9, pytest.approx(run.plan.stat().st_mtime))


def test_the_part_done_counts_every_task_the_same() -> None:
    given = [
        Row(id="a", stage="s", status="done", progress=1.0),
        Row(id="b", stage="s", status="running", progress=0.5),
        Row(id="c", stage="s", status="failed"),
    ]
    assert whole(given).progress == pytest.approx(0.5)
    assert whole([]).progress == 1.0


@pytest.mark.parametrize(
    ("status", "submitter", "batch", "still"),
    [
        ("pending", None, None, True),
        ("requeued", None, None, True),
        ("pending", "eve", None, False),
        ("queued", None, "t1", False),
        ("running", None, None, False),
        ("done", None, None, False),
        ("failed", None, "t1", False),
    ],
)
def test_a_run_stands_still_when_nobody_has_what_is_left(
    status: Status, submitter: str | None, batch: str | None, still: bool
) -> None:
    given = [Row(id="a", stage="s", status=status, batch=batch)]
    assert whole(given, submitter).stands_still == still


def whole(rows: list[Row], submitter: str | None = None) -> RunStatus:
    return RunStatus(run="demo", at=0.0, submitter=submitter, rows=tuple(rows))


def test_a_run_whose_ledgers_were_removed_has_everything_to_do(run: RunPaths, make: Make) -> None:
    submit(run, [make("a")])
    run.ledger_folder.rmdir()
    assert read_status(run).counts == {"pending": 1}


def test_a_damaged_plan_is_told_with_what_mends_it(run: RunPaths, make: Make) -> None:
    submit(run, [make("a")])
    run.plan.write_text("{")
    with pytest.raises(StateError, match=r"plan\.json: .* not a valid RunPlan.*Submit the run"):
        read_status(run)
