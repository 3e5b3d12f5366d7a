"""What a submit reads before it decides and writes before it starts."""

from collections.abc import Callable

from hpc.fsio import read_json
from hpc.ledger import read_entries, read_state
from hpc.paths import RunPaths
from hpc.submission import RunPlan, plan_run, record_submission
from hpc.task import Task

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
