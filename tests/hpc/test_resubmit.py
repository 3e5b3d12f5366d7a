"""What runs again after a failure: what failed, what it lacks, and what waited for it."""

from collections.abc import Callable

import pytest

from hpc.ledger import TaskState
from hpc.plan import Decision
from hpc.resubmit import to_resubmit
from hpc.submission import RunPlan, describe
from hpc.task import Task

Make = Callable[..., Task]


@pytest.fixture
def graph(make: Make) -> RunPlan:
    """A store, two networks trained on it, and a comparison that needs both."""
    store = make("store")
    left, right = make("left", needs=[store]), make("right", needs=[store])
    tasks = (store, left, right, make("both", needs=[left, right]))
    return describe(Decision(task=task, action="run", reason="new") for task in tasks)


def states(plan: RunPlan, **statuses: str) -> dict[str, TaskState]:
    """All done but these; where a status ends in '!', it is that of other settings."""
    return {task.id: state(statuses.get(task.id, "done"), task.key) for task in plan.tasks}


def state(status: str, key: str) -> TaskState:
    own = key if not status.endswith("!") else "other settings"
    status = status.removesuffix("!")
    return TaskState(status=status, key=own, done_key=own if status == "done" else None, attempt=1)


def test_where_nothing_failed_nothing_runs(graph: RunPlan) -> None:
    assert to_resubmit(graph, states(graph)) == []


@pytest.mark.parametrize(
    "status",
    ["failed", "timed_out", "killed", "cancelled", "requeued", "pending", "blocked", "done!"],
)
def test_what_is_neither_done_nor_on_its_way_runs_again(graph: RunPlan, status: str) -> None:
    assert to_resubmit(graph, states(graph, left=status)) == ["left"]


@pytest.mark.parametrize("status", ["queued", "running", "running!", "unknown"])
def test_what_is_on_its_way_or_unknown_is_left_alone(graph: RunPlan, status: str) -> None:
    assert to_resubmit(graph, states(graph, left=status)) == []


def test_what_slurm_will_start_again_is_left_alone(graph: RunPlan) -> None:
    found = states(graph, left="requeued")
    found["left"] = found["left"]._replace(batch="t0")
    assert to_resubmit(graph, found) == []


def test_all_that_failed_runs_in_the_order_of_the_plan(graph: RunPlan) -> None:
    found = states(graph, store="failed", left="blocked", right="blocked", both="blocked")
    assert to_resubmit(graph, found) == ["store", "left", "right", "both"]


def test_one_may_choose_among_what_failed(graph: RunPlan) -> None:
    found = states(graph, left="failed", right="failed")
    assert to_resubmit(graph, found, ["right", "store"]) == ["right"]


def test_what_the_chosen_lack_runs_before_them(graph: RunPlan) -> None:
    found = states(graph, store="failed", left="blocked", right="done", both="blocked")
    assert to_resubmit(graph, found, ["both"]) == ["store", "left", "both"]


def test_what_waited_for_the_chosen_runs_after_them(graph: RunPlan) -> None:
    found = states(graph, left="failed", both="blocked")
    assert to_resubmit(graph, found, ["left"]) == ["left", "both"]


def test_what_waits_for_others_too_is_left_until_these_run_again(graph: RunPlan) -> None:
    found = states(graph, left="failed", right="failed", both="blocked")
    assert to_resubmit(graph, found, ["left"]) == ["left"]


def test_what_waited_behind_what_waited_runs_too(make: Make) -> None:
    a = make("a")
    b = make("b", needs=[a])
    tasks = (a, b, make("c", needs=[b]))
    plan = describe(Decision(task=task, action="run", reason="new") for task in tasks)
    found = states(plan, a="failed", b="blocked", c="blocked")
    assert to_resubmit(plan, found, ["a"]) == ["a", "b", "c"]
