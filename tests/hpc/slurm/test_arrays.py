"""From tasks to job arrays: every task once, none too large, none before what it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.resources import Resources
from hpc.slurm.arrays import Array, Shape, arrays_of
from hpc.task import Task, make_task

Make = Callable[..., Task]
SMALL = Resources(time=timedelta(hours=1), mem_gb=1, cpus=1, gpus=0)


def own_shape(task: Task) -> Shape:
    return Shape(task.resources)


def split(
    tasks: Sequence[Task], size: int = 1000, under_way: Sequence[str] = (), **limits: int
) -> list[Array]:
    return arrays_of(tasks, own_shape, size=size, limits=limits, under_way=under_way)


def names(array: Array) -> list[str]:
    return [task.id for task in array.tasks]


def many(make: Make, count: int, stage: str = "infer", needs: Sequence[Task] = ()) -> list[Task]:
    return [make(f"{stage}{i}", stage=stage, needs=needs) for i in range(count)]


# Size


def test_two_and_a_half_thousand_tasks_are_three_arrays_where_1001_are_allowed(make: Make) -> None:
    tasks = many(make, 2500)
    arrays = split(tasks, size=1001)
    assert [len(array.tasks) for array in arrays] == [1001, 1001, 498]
    assert [task for array in arrays for task in array.tasks] == tasks
    assert all(array.after == () for array in arrays)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (9, [9]), (10, [10]), (11, [10, 1]), (20, [10] * 2)]
)
def test_an_array_is_as_large_as_allowed_and_no_larger(
    make: Make, count: int, sizes: list[int]
) -> None:
    assert [len(array.tasks) for array in split(many(make, count), size=10)] == sizes


def test_no_tasks_are_no_arrays() -> None:
    assert split([]) == []


def test_one_task_is_an_array_like_any_other(make: Make) -> None:
    task = make("a", stage="train")
    assert split([task], train=4) == [
        Array(
            stage="train",
            tasks=(task,),
            shape=Shape(task.resources),
            parallel=1,
            after=(),
            behind=(),
        )
    ]


# Order


def test_an_array_waits_for_every_array_that_holds_what_it_needs(make: Make) -> None:
    stores = many(make, 3, "prepare")
    result = make("result", stage="finalize", needs=[stores[0], stores[2]])
    arrays = split([*stores, result], size=1)
    assert [names(array) for array in arrays] == [
        ["prepare0"],
        ["prepare1"],
        ["prepare2"],
        ["result"],
    ]
    assert [array.after for array in arrays] == [(), (), (), (0, 2)]


def test_a_stage_that_needs_itself_is_cut_where_it_does(make: Make) -> None:
    coarse = make("coarse", stage="train")
    fine = make("fine", stage="train", needs=[coarse])
    arrays = split([coarse, fine, make("other", stage="train")])
    assert [names(array) for array in arrays] == [["coarse", "other"], ["fine"]]
    assert arrays[1].after == (0,)


def test_needs_that_are_done_are_not_waited_for(make: Make) -> None:
    (array,) = split([make("b", needs=[make("a")])])
    assert (array.after, array.behind) == ((), ())


def test_needs_that_slurm_has_already_are_waited_for(make: Make) -> None:
    a, b = make("a"), make("b")
    (array,) = split([make("c", needs=[a, b])], under_way=["b", "something else"])
    assert array.behind == ("b",)


# Shape


def test_tasks_that_ask_for_different_things_are_different_arrays(make: Make) -> None:
    tasks = [make("a"), make("big", mem_gb=64), make("b"), make("other", stage="train")]
    arrays = split(tasks)
    assert [names(array) for array in arrays] == [["a", "b"], ["big"], ["other"]]
    assert [array.shape.resources.mem_gb for array in arrays] == [0.1, 64, 0.1]


def test_tasks_that_keep_off_different_nodes_are_different_arrays(make: Make) -> None:
    tasks = [make("a"), make("b"), make("c")]
    shunned = {"b": ("n7",)}

    def shape(task: Task) -> Shape:
        return Shape(task.resources, shunned.get(task.id, ()))

    arrays = arrays_of(tasks, shape, size=10, limits={})
    assert [names(array) for array in arrays] == [["a", "c"], ["b"]]
    assert [array.shape.shunned for array in arrays] == [(), ("n7",)]


# How many at once


def test_without_a_limit_all_may_run_at_once(make: Make) -> None:
    assert [array.parallel for array in split(many(make, 25), size=10)] == [10, 10, 5]


def test_the_places_of_a_stage_are_shared_among_its_arrays(make: Make) -> None:
    arrays = split([*many(make, 30), *many(make, 3, "train")], size=10, infer=8)
    assert [array.parallel for array in arrays] == [3, 3, 2, 3]


def test_no_array_is_left_without_a_place(make: Make) -> None:
    assert [array.parallel for array in split(many(make, 30), size=10, infer=2)] == [1, 1, 1]


def test_no_array_has_more_places_than_tasks(make: Make) -> None:
    assert [array.parallel for array in split(many(make, 3), infer=100)] == [3]


# Whatever the tasks


@st.composite
def graphs(draw: st.DrawFn) -> list[Task]:
    """Tasks of a few stages and shapes, each of which needs some of those before it."""
    tasks: list[Task] = []
    for number in range(draw(st.integers(0, 25))):
        earlier = st.lists(st.sampled_from(tasks), max_size=3, unique_by=lambda t: t.id)
        resources = SMALL.model_copy(update={"mem_gb": draw(st.sampled_from([1.0, 2.0]))})
        tasks.append(
            make_task(
                id=f"t{number}",
                stage=draw(st.sampled_from(["train", "infer"])),
                entry="batch_entries:noop",
                revision=1,
                params={},
                needs=draw(earlier) if tasks else (),
                resources=resources,
            )
        )
    return tasks


@given(graphs(), st.integers(1, 6), st.integers(1, 9))
def test_every_task_is_in_one_array_that_comes_after_all_it_needs(
    tasks: list[Task], size: int, places: int
) -> None:
    arrays = split(tasks, size=size, infer=places)
    number = {task.id: i for i, array in enumerate(arrays) for task in array.tasks}
    assert sorted(number) == sorted(task.id for task in tasks)
    assert sum(len(array.tasks) for array in arrays) == len(tasks)
    for i, array in enumerate(arrays):
        assert 1 <= array.parallel <= len(array.tasks) <= size
        assert {task.stage for task in array.tasks} == {array.stage}
        assert {own_shape(task) for task in array.tasks} == {array.shape}
        assert {number[need] for task in array.tasks for need in task.needs} == set(array.after)
        assert all(earlier < i for earlier in array.after)
    infer = [array.parallel for array in arrays if array.stage == "infer"]
    assert sum(infer) <= max(places, len(infer))
