"""The order of work, for any graph of tasks."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpc.queue import TaskQueue
from hpc.task import Task

Make = Callable[..., Task]

# For each task, which of those before it it needs.
graphs = st.lists(st.sets(st.integers(0, 9), max_size=3), max_size=10)
any_graph = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def build(make: Make, graph: list[set[int]]) -> list[Task]:
    tasks: list[Task] = []
    for index, needs in enumerate(graph):
        chosen = [tasks[need] for need in sorted(needs) if need < index]
        tasks.append(make(f"t{index}", needs=chosen))
    return tasks


@any_graph
@given(graphs, st.data())
def test_every_task_starts_once_after_its_needs_unless_one_of_them_failed(
    make: Make, graph: list[set[int]], data: st.DataObject
) -> None:
    tasks = build(make, graph)
    queue = TaskQueue(tasks)
    fate: dict[str, str] = {}
    while (task := next(queue.ready(), None)) is not None:
        assert all(fate[need] == "done" for need in task.needs)
        assert task.id not in fate
        queue.take(task.id)
        match data.draw(st.sampled_from(["done", "done", "fail", "again"])):
            case "done":
                fate[task.id] = "done"
                queue.succeed(task.id)
            case "fail":
                fate[task.id] = "failed"
                fate.update(dict.fromkeys(queue.fail(task.id), "blocked"))
            case "again":
                queue.put_back(task.id)
                assert queue.holds(task.id)
    assert queue.is_empty
    assert fate.keys() == {task.id for task in tasks}
    for task in tasks:
        broken = any(fate[need] != "done" for need in task.needs)
        assert (fate[task.id] == "blocked") == broken


def test_the_ready_ones_are_in_the_order_of_the_plan_also_after_a_requeue(make: Make) -> None:
    queue = TaskQueue([make(name) for name in "dcba"])
    queue.take("d")
    queue.take("c")
    queue.put_back("d")
    assert [task.id for task in queue.ready()] == ["d", "b", "a"]


def test_what_is_done_already_holds_nothing_up(make: Make) -> None:
    a = make("a")
    queue = TaskQueue([a, make("b", needs=[a])], done=["a"])
    assert [task.id for task in queue.ready()] == ["b"]


def test_a_waiting_task_can_be_taken_out_and_blocks_those_behind_it(make: Make) -> None:
    a = make("a")
    b = make("b", needs=[a])
    queue = TaskQueue([a, b, make("c", needs=[b])])
    assert queue.fail("b") == ("c",)
    assert [task.id for task in queue.ready()] == ["a"]
    queue.take("a")
    queue.succeed("a")
    assert queue.is_empty
