"""The plan: what will run, and the reason for each task."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from hpc.ledger import TaskState
from hpc.plan import Decision, check_graph, decide, differences, left_alone
from hpc.process import Process
from hpc.task import Task

Make = Callable[..., Task]


def reason(task: Task, state: TaskState, before: Task | None = None) -> tuple[str, str]:
    previous = {before.id: before} if before else {}
    (decision,) = decide([task], {task.id: state}, previous, {})
    return decision.action, decision.reason


def test_a_task_nobody_knows_is_new(make: Make) -> None:
    (decision,) = decide([make("a")], {}, {}, {})
    assert (decision.action, decision.reason) == ("run", "new")


def test_same_key_and_recorded_as_done_is_skipped(make: Make) -> None:
    task = make("a")
    state = TaskState(status="done", key=task.key, done_key=task.key, attempt=1)
    assert reason(task, state) == ("skip", "done")


def test_a_setting_taken_back_before_anything_ran_costs_nothing(make: Make) -> None:
    task = make("a")
    state = TaskState(status="pending", key="other", done_key=task.key, attempt=1)
    assert reason(task, state) == ("skip", "done")


def test_a_changed_setting_is_named_with_both_values(make: Make) -> None:
    before, now = make("a", infer={"steps": 16}), make("a", infer={"steps": 8})
    state = TaskState(status="done", key=before.key, done_key=before.key, attempt=1)
    assert reason(now, state, before) == ("run", "changed: infer.steps 16 -> 8")


def test_a_change_is_told_before_the_failure_of_what_is_no_more(make: Make) -> None:
    before, now = make("a", x=1), make("a", x=2)
    state = TaskState(status="failed", key=before.key, attempt=1, cause="boom")
    assert reason(now, state, before) == ("run", "changed: x 1 -> 2")


def test_a_change_of_which_no_trace_is_left_is_still_a_change(make: Make) -> None:
    state = TaskState(status="done", key="old", done_key="old", attempt=1)
    assert reason(make("a"), state) == ("run", "changed")


@pytest.mark.parametrize(
    ("status", "cause", "said"),
    [
        ("failed", "ValueError: no", "failed: ValueError: no"),
        ("killed", "by SIGKILL", "killed: by SIGKILL"),
        ("killed", None, "killed"),
        ("timed_out", "timed out after 00:00:05", "timed out after 00:00:05"),
        ("cancelled", "by eve@home", "cancelled by eve@home"),
        ("blocked", "train failed", "blocked: train failed"),
        ("requeued", None, "requeued"),
        ("pending", None, "queued before, not started"),
    ],
)
def test_what_did_not_succeed_runs_again_for_that_reason(
    make: Make, status: str, cause: str | None, said: str
) -> None:
    task = make("a")
    state = TaskState(status=status, key=task.key, attempt=1, cause=cause)
    assert reason(task, state, task) == ("run", said)


def test_what_runs_is_waited_for(make: Make) -> None:
    task = make("a")
    process = Process(host="node7", pid=12, started="x")
    state = TaskState(status="running", key=task.key, attempt=1, process=process)
    assert reason(task, state) == ("wait", "running (pid 12 on node7)")
    other = state._replace(key="older")
    assert reason(task, other) == ("wait", "running (pid 12 on node7, with other settings)")


def test_what_nobody_can_tell_is_never_run_again_on_a_guess(make: Make) -> None:
    state = TaskState(status="unknown", cause="a.jsonl:3: damaged")
    assert reason(make("a"), state) == ("wait", "unknown: a.jsonl:3: damaged")


# What a batch system has


@pytest.mark.parametrize(
    ("status", "cause", "said"),
    [
        ("queued", None, "queued"),
        ("queued", "in the queue (Priority)", "queued: in the queue (Priority)"),
        ("requeued", "state saved", "requeued: state saved"),
    ],
)
def test_what_a_batch_system_will_start_is_waited_for(
    make: Make, status: str, cause: str | None, said: str
) -> None:
    task = make("a")
    state = TaskState(status=status, key=task.key, attempt=1, cause=cause, batch="t0")
    assert reason(task, state, task) == ("wait", said)


def test_what_was_put_back_on_this_machine_runs_again(make: Make) -> None:
    task = make("a")
    state = TaskState(status="requeued", key=task.key, attempt=1)
    assert reason(task, state, task)[0] == "run"


@pytest.mark.parametrize("status", ["queued", "requeued"])
def test_what_was_changed_while_it_was_queued_is_queued_anew(make: Make, status: str) -> None:
    before, now = make("a", x=1), make("a", x=2)
    state = TaskState(status=status, key=before.key, attempt=1, batch="t0")
    assert reason(now, state, before) == ("run", "changed: x 1 -> 2")


def test_what_was_changed_before_its_first_attempt_is_queued_anew(make: Make) -> None:
    state = TaskState(status="queued", key="other", batch="t0")
    assert reason(make("a"), state)[0] == "run"


def test_what_nobody_asks_for_is_left_as_it_is(make: Make) -> None:
    task = make("a")
    run = Decision(task=task, action="run", reason="failed: boom")
    assert left_alone(run) == Decision(task=task, action="skip", reason="left as it is")
    for action in ("skip", "wait"):
        other = Decision(task=task, action=action, reason="x")
        assert left_alone(other) == other


# Outputs that are gone


@pytest.fixture
def graph(make: Make) -> tuple[Task, ...]:
    """A store, a network trained on it, its package, and a result that needs store and network."""
    store = make("store")
    network = make("network", needs=[store])
    package = make("package", needs=[network])
    return store, network, package, make("result", needs=[store, network])


def done(task: Task) -> TaskState:
    return TaskState(status="done", key=task.key, done_key=task.key, attempt=1)


def reasons(
    graph: Sequence[Task], *missing: str, states: Mapping[str, TaskState] | None = None
) -> dict[str, str]:
    """Why tasks are not skipped, where all are done but those in `states`."""
    known = {task.id: done(task) for task in graph} | dict(states or {})
    decisions = decide(graph, known, {}, {name: f"{name}.bin" for name in missing})
    assert [decision.task for decision in decisions] == list(graph)
    return {d.task.id: d.reason for d in decisions if d.action != "skip"}


def test_a_final_result_that_was_deleted_is_made_again_and_nothing_else(
    graph: tuple[Task, ...],
) -> None:
    assert reasons(graph, "result") == {"result": "missing: result.bin"}
    assert reasons(graph, "package") == {"package": "missing: package.bin"}


def test_what_a_deleted_result_needs_is_made_again_if_it_was_deleted_too(
    graph: tuple[Task, ...],
) -> None:
    assert reasons(graph, "result", "store") == {
        "store": "missing: store.bin",
        "result": "missing: result.bin",
    }
    assert reasons(graph, "package", "network", "store").keys() == {"store", "network", "package"}


def test_what_was_deleted_is_not_made_for_those_that_are_done_with_it(
    graph: tuple[Task, ...],
) -> None:
    assert reasons(graph, "store", "network") == {}
    assert reasons(graph, "package", "store") == {"package": "missing: package.bin"}


def test_a_deleted_output_that_nothing_needs_is_told_all_the_same(
    graph: tuple[Task, ...],
) -> None:
    states = {task.id: done(task) for task in graph}
    first, *_ = decide(graph, states, {}, {"store": ".stores/ab"})
    assert (first.action, first.reason) == ("skip", "done; nothing needs .stores/ab, now removed")


@pytest.mark.parametrize("status", ["failed", "pending", "cancelled", "running"])
def test_what_a_task_that_is_not_over_needs_is_made_again(
    graph: tuple[Task, ...], status: str
) -> None:
    unfinished = {"result": TaskState(status=status, key=graph[-1].key, attempt=1)}
    found = reasons(graph, "store", "network", states=unfinished)
    assert (found["store"], found["network"]) == ("missing: store.bin", "missing: network.bin")


# Differences


def test_several_changes_are_all_listed(make: Make) -> None:
    before = make("a", lr=1e-3, layers=[8, 16], name="x", old=1, refine=None)
    now = make("a", lr=2e-3, layers=[8, 32], name="x", new=2, refine={"modes": 3})
    assert differences(before, now) == [
        "layers.1 16 -> 32",
        "lr 0.001 -> 0.002",
        "new (absent) -> 2",
        "old 1 -> (absent)",
        'refine null -> {"modes": 3}',
    ]


def test_too_many_changes_are_counted(make: Make) -> None:
    before = make("a", **{f"p{i}": 0 for i in range(9)})
    now = make("a", **{f"p{i}": 1 for i in range(9)})
    state = TaskState(status="done", key=before.key, attempt=1)
    _, said = reason(now, state, before)
    assert said.endswith("p5 0 -> 1, and 3 more")


def test_changed_code_is_a_change(make: Make) -> None:
    assert differences(make("a"), make("a", revision=2)) == ["code revision 1 -> 2"]
    assert differences(make("a"), make("a", "deaf")) == [
        "entry batch_entries:noop -> batch_entries:deaf"
    ]


def test_needs_that_changed_came_or_went_are_named(make: Make) -> None:
    before = make("z", needs=[make("a", x=1), make("b")])
    now = make("z", needs=[make("a", x=2), make("c")])
    assert differences(before, now) == ["needs changed: a", "needs added: c", "needs removed: b"]


def test_a_hash_is_named_only_where_nothing_else_says_why(make: Make) -> None:
    old, new = "0123456789abcdef" * 2, "fedcba9876543210" * 2
    before, now = make("a", store=old, steps=1), make("a", store=new, steps=2)
    assert differences(before, now) == ["steps 1 -> 2"]
    (only,) = differences(make("a", store=old), make("a", store=new))
    assert only.startswith("store 0123")


def test_a_long_value_is_cut(make: Make) -> None:
    (only,) = differences(make("a", text="x" * 200), make("a", text="y" * 200))
    assert len(only) < 100


def test_a_graph_names_each_task_once_and_needs_before_tasks(make: Make) -> None:
    a = make("a")
    b = make("b", needs=[a])
    check_graph([a, b])
    with pytest.raises(ValueError, match="two tasks are named 'a'"):
        check_graph([a, a])
    with pytest.raises(ValueError, match=r"'b' needs \['a'\]"):
        check_graph([b, a])
