"""What holds of every plan, for any graph of tasks in whatever state."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from hpc.ledger import Ended, Queued, Started, TaskState, fold
from hpc.plan import Decision, check_graph, decide
from hpc.process import Process
from hpc.resources import Resources
from hpc.task import Task, make_task

ROOM = Resources(time=timedelta(hours=1), mem_gb=1.0, cpus=1, gpus=0)
THERE = Process(host="n1", pid=7, started="x")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Task, ...]:
    """Up to eight tasks, each in need of any of those before it."""
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, 8))):
        needs = [task for task in tasks if draw(st.booleans())]
        tasks.append(
            make_task(id=f"t{number}", stage="s", entry="m:f", revision=1,
                      params={"x": draw(st.integers(0, 2))}, needs=needs, resources=ROOM)
        )  # fmt: skip
    return tuple(tasks)


@st.composite
def histories(draw: st.DrawFn, task: Task) -> TaskState | None:
    """What may have become of a task, with these settings or others."""
    key = draw(st.sampled_from([task.key, "other"]))
    outcomes = ["done", "failed", "timed_out", "killed", "requeued", None]
    outcome = draw(st.sampled_from(outcomes))
    if draw(st.booleans()):
        return None
    entries = [Started(attempt=1, key=key, process=THERE)]
    ends = [] if outcome is None else [Ended(attempt=1, outcome=outcome)]
    queued = [Queued(key=task.key, batch=draw(st.sampled_from([None, "b"])))]
    return fold([*entries, *ends, *(queued if draw(st.booleans()) else [])])


@st.composite
def situations(draw: st.DrawFn) -> tuple[tuple[Task, ...], dict[str, TaskState], dict[str, str]]:
    """Tasks, their states, and what those that are done have lost."""
    tasks = draw(graphs())
    known = {task.id: draw(histories(task)) for task in tasks}
    states = {name: state for name, state in known.items() if state is not None}
    done = [task.id for task in tasks if states.get(task.id, TaskState()).done_key == task.key]
    return tasks, states, {name: f"{name}.out" for name in done if draw(st.booleans())}


def actions(decisions: tuple[Decision, ...]) -> dict[str, str]:
    return {decision.task.id: decision.action for decision in decisions}


@given(situations())
def test_every_task_is_decided_on_once_in_order_and_with_a_reason(situation) -> None:
    tasks, states, missing = situation
    check_graph(tasks)
    decisions = decide(tasks, states, {}, missing)
    assert [decision.task for decision in decisions] == list(tasks)
    assert all(decision.reason for decision in decisions)


@given(situations())
def test_what_is_done_and_whole_is_never_done_again(situation) -> None:
    tasks, states, missing = situation
    chosen = actions(decide(tasks, states, {}, missing))
    for task in tasks:
        if states.get(task.id, TaskState()).done_key == task.key and task.id not in missing:
            assert chosen[task.id] in ("skip", "wait")


@given(situations())
def test_a_task_that_runs_finds_all_that_it_needs(situation) -> None:
    tasks, states, missing = situation
    chosen = actions(decide(tasks, states, {}, missing))
    for task in tasks:
        for need in task.needs if chosen[task.id] == "run" else ():
            assert chosen[need] in ("run", "wait") or need not in missing


@given(situations())
def test_what_runs_already_is_not_started_a_second_time(situation) -> None:
    tasks, states, missing = situation
    chosen = actions(decide(tasks, states, {}, missing))
    assert all(chosen[name] == "wait" for name, s in states.items() if s.status == "running")


@given(situations())
def test_when_a_plan_was_carried_out_nothing_is_left_to_do(situation) -> None:
    tasks, states, missing = situation
    made = {name for name, action in actions(decide(tasks, states, {}, missing)).items()
            if action != "skip"}  # fmt: skip
    after = {
        task.id: fold([Started(attempt=2, key=task.key, process=THERE),
                       Ended(attempt=2, outcome="done")])
        if task.id in made else states[task.id]
        for task in tasks
    }  # fmt: skip
    lost = {name: output for name, output in missing.items() if name not in made}
    assert set(actions(decide(tasks, after, {}, lost)).values()) == {"skip"}
