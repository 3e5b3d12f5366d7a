"""What a submit reads before it decides and writes before it starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hpc.fsio import read_json
from hpc.ledger import Queued, append, read_entries, read_state
from hpc.paths import RunPaths
from hpc.submission import RunPlan, plan_run, record_submission
from hpc.task import Task
from hpc.worker import run_task

Make = Callable[..., Task]
Pretend = Callable[..., None]


def test_planning_writes_nothing(run: RunPaths, make: Make) -> None:
    submission = plan_run(run, [make("a"), make("b")])
    assert [d.reason for d in submission.decisions] == ["new", "new"]
    assert not run.root.exists()


def test_the_plan_is_kept_with_its_reasons(run: RunPaths, make: Make, pretend: Pretend) -> None:
    done = make("a", stage="prepare")
    pretend(done, "done")
    record_submission(run, plan_run(run, [done, make("b", needs=[done])]))
    plan = read_json(run.plan, RunPlan)
    assert [(t.id, t.stage, t.action, t.reason) for t in plan.tasks] == [
        ("a", "prepare", "skip", "done"),
        ("b", "stage", "run", "new"),
    ]
    assert plan.tasks[1].needs == ("a",)


def test_a_task_that_is_to_run_is_written_for_its_worker(run: RunPaths, make: Make) -> None:
    task = make("a", nested={"x": [1, None]})
    record_submission(run, plan_run(run, [task]))
    assert read_json(run.task("a"), Task) == task
    assert not run.ledger("a").exists()  # nothing has happened yet


def test_what_runs_again_is_queued_anew(run: RunPaths, make: Make, pretend: Pretend) -> None:
    pretend(make("a"), "failed", cause="boom")
    record_submission(run, plan_run(run, [make("a")]))
    assert read_state(run, "a").status == "pending"
    assert len(read_entries(run.ledger("a"))) == 3


def test_a_submit_killed_before_it_wrote_the_new_task_still_knows_the_change(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    pretend(make("a", steps=8), "done")
    new = make("a", steps=16)
    record_submission(run, plan_run(run, [new]))
    run.task("a").write_text(make("a", steps=8).model_dump_json())
    assert plan_run(run, [new]).decisions[0].reason == "changed: steps 8 -> 16"


def test_a_task_file_that_a_power_cut_took_is_written_again(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    pretend(make("a"), "failed")
    run.task("a").write_bytes(b"\0" * 40)
    record_submission(run, plan_run(run, [make("a")]))
    assert read_json(run.task("a"), Task) == make("a")


def test_new_extras_reach_the_worker_though_they_are_no_change(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = make("a")
    pretend(task, "failed")
    moved = task.model_copy(update={"extras": {"path": "/elsewhere"}})
    record_submission(run, plan_run(run, [moved]))
    assert read_json(run.task("a"), Task).extras == {"path": "/elsewhere"}


# Some tasks only


def test_with_only_some_tasks_the_others_are_left_as_they_are(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    tasks = [make(name) for name in ("done", "failed", "new", "wanted")]
    pretend(tasks[0])
    pretend(tasks[1], "failed", cause="boom")
    submission = plan_run(run, tasks, only=["wanted", "done"])
    assert [(d.action, d.reason) for d in submission.decisions] == [
        ("skip", "done"),
        ("skip", "left as it is"),
        ("skip", "left as it is"),
        ("run", "new"),
    ]
    record_submission(run, submission)
    assert read_state(run, "failed").status == "failed"
    assert [t.id for t in read_json(run.plan, RunPlan).tasks] == [t.id for t in tasks]
    assert not run.task("new").exists()


def test_with_none_wanted_nothing_runs(run: RunPaths, make: Make) -> None:
    assert plan_run(run, [make("a")], only=[]).of("run") == []


# What runs while its settings change


def test_whoever_starts_a_running_task_next_does_so_with_its_new_settings(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    pretend(make("a", steps=8), None)  # it runs
    new = make("a", steps=16)
    submission = plan_run(run, [new])
    record_submission(run, submission)
    assert submission.decisions[0].action == "wait"
    assert read_json(run.task("a"), Task) == new
    assert read_state(run, "a").key == make("a", steps=8).key  # nothing is said of the attempt


# Outputs that are gone


def leaving(task: Task, *outputs: str) -> Task:
    """The task, with these outputs."""
    return task.model_copy(update={"outputs": outputs})


def reason(run: RunPaths, task: Task) -> str:
    (decision,) = plan_run(run, [task]).decisions
    return decision.reason


def test_a_done_task_is_done_as_long_as_all_its_outputs_are_there(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = leaving(make("a"), ".stores/ab", "demo/results/a.h5")
    pretend(task)
    assert reason(run, task) == "missing: .stores/ab"
    (run.root / ".stores/ab").mkdir(parents=True)
    assert reason(run, task) == "missing: demo/results/a.h5"
    (run.folder / "results").mkdir()
    (run.folder / "results/a.h5").touch()
    assert reason(run, task) == "done"


def test_a_folder_that_is_a_file_now_holds_no_outputs(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = leaving(make("a"), "demo/results/a.h5")
    pretend(task)
    (run.folder / "results").touch()
    assert reason(run, task) == "missing: demo/results/a.h5"


def test_a_disk_that_does_not_answer_has_not_lost_anything(
    run: RunPaths, make: Make, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(path: Path) -> None:
        raise OSError(116, "Stale file handle", str(path))

    task = leaving(make("a"), ".stores/ab")
    pretend(task)
    monkeypatch.setattr(Path, "stat", stale)
    assert reason(run, task) == "done"


def test_a_task_that_was_never_done_is_not_said_to_have_lost_anything(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    task = leaving(make("a"), ".stores/ab")
    assert reason(run, task) == "new"
    pretend(task, "failed", cause="boom")
    assert reason(run, task) == "failed: boom"


@pytest.mark.parametrize("asked_otherwise_meanwhile", [False, True])
def test_a_worker_makes_again_what_was_done_and_is_gone(
    run: RunPaths, make: Make, pretend: Pretend, asked_otherwise_meanwhile: bool
) -> None:
    task = leaving(make("a"), ".stores/ab")
    pretend(task)
    if asked_otherwise_meanwhile:  # and taken back before anything ran
        append(run.ledger("a"), Queued(key="other"))
    record_submission(run, plan_run(run, [task]))
    assert read_state(run, "a").status == "pending"
    run_task(run, "a")
    state = read_state(run, "a")
    assert (state.attempt, state.done_key) == (2, task.key)
