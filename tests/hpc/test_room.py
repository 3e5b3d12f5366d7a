"""How much of a machine tasks get."""

from collections.abc import Callable

from hpc.executors.room import Room, usable_cpus, visible_gpus
from hpc.task import Task

Make = Callable[..., Task]


def test_a_task_takes_what_it_asks_for(make: Make) -> None:
    room = Room(tasks=4, cpus=8, mem_gb=16, gpus=2)
    need = room.need_of(make("a", cpus=3, mem_gb=4.0, gpus=1).resources)
    assert room.holds(need)
    assert room.without(need) == Room(tasks=3, cpus=5, mem_gb=12, gpus=1)


def test_a_task_takes_what_all_its_processes_and_nodes_ask_for(make: Make) -> None:
    asked = make("a", cpus=2, mem_gb=4.0, gpus=1, nodes=2, tasks_per_node=3).resources
    need = Room(tasks=4, cpus=16, mem_gb=16, gpus=4).need_of(asked)
    assert need == Room(tasks=1, cpus=12, mem_gb=8, gpus=2)


def test_a_task_too_big_for_the_machine_has_it_for_itself(make: Make) -> None:
    room = Room(tasks=4, cpus=2, mem_gb=8, gpus=0)
    need = room.need_of(make("a", cpus=32, mem_gb=512.0, gpus=4).resources)
    assert room.holds(need)
    left = room.without(need)
    assert (left.cpus, left.mem_gb) == (0, 0)
    assert not left.holds(room.need_of(make("b").resources))


def test_no_limit_is_never_used_up(make: Make) -> None:
    room = Room()
    for _ in range(100):
        room = room.without(room.need_of(make("a", cpus=64, gpus=8).resources))
    assert room.holds(room.need_of(make("a", cpus=64).resources))


def test_this_machine_has_room_for_something() -> None:
    room = Room.of_this_machine(tasks=3)
    assert room.tasks == 3
    assert room.cpus == usable_cpus() >= 1
    assert room.mem_gb > 0


def test_only_the_gpus_that_are_shown_to_us_are_given_on() -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2, 5"}) == ("2", "5")
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == ()
