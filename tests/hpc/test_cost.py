"""Node-, CPU- and GPU-hours."""

from datetime import timedelta

import pytest

from hpc.cost import Hours, at_most, hours_of, total_hours
from hpc.resources import Resources
from hpc.task import make_task

WIDE = Resources(
    time=timedelta(hours=4), mem_gb=64, cpus=8, gpus=4, nodes=2, tasks_per_node=4
)  # fmt: skip


def test_a_task_costs_its_whole_time_on_all_of_its_nodes_at_most():
    task = make_task(id="a", stage="s", entry="a:b", revision=1, params={}, resources=WIDE)
    assert at_most(task) == Hours(node=8, cpu=8 * 4 * 8, gpu=8 * 4)


def test_hours_grow_with_the_time_they_are_held():
    assert hours_of(WIDE, 900) == Hours(node=0.5, cpu=16, gpu=2)
    assert hours_of(WIDE, 0) == Hours()


def test_costs_add_up():
    total = total_hours(hours_of(WIDE, 3600) for _ in range(3))
    assert total == Hours(node=6, cpu=192, gpu=24)
    assert total_hours([]) == Hours()


def test_no_cost_is_negative():
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Hours(node=-1)
