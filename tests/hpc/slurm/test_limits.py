"""What tasks ask for against what partitions allow: one message for each stage and resource."""

from datetime import timedelta

import pytest

from hpc.resources import Resources
from hpc.slurm.limits import exceeded
from hpc.slurm.profile import Profile
from hpc.task import make_task

SOURCE = "profiles/polaris.yaml"


def task(name="train-default", stage="train", hours=1.0, **asked):
    given = {"mem_gb": 8.0, "cpus": 2, "gpus": 0, **asked}
    resources = Resources(time=timedelta(hours=hours), **given)
    return make_task(
        id=name, stage=stage, entry="a:b", revision=1, params={"name": name}, resources=resources
    )


def profile(partition="gpu", **limits):
    return Profile.model_validate(
        {"version": 1, "partition": partition, "partitions": {"gpu": limits, "cpu": {}}}
    )


def messages(tasks, found, **options):
    return [str(error) for error in exceeded(tasks, found, SOURCE, **options)]


def test_the_message_says_who_asks_for_what_and_how_to_ask_for_less():
    assert messages([task(hours=8)], profile(time="04:00:00")) == [
        "profiles/polaris.yaml partitions.gpu: task train-default asks for 08:00:00, partition "
        "'gpu' allows 04:00:00. Write resources.train.time up to 04:00:00, or choose another "
        "partition"
    ]


@pytest.mark.parametrize(
    ("asked", "limits", "said", "mend"),
    [
        ({"mem_gb": 600.0}, {"mem_gb": 512}, "600 GB of memory", "mem_gb up to 512"),
        ({"mem_gb": 4.2}, {"mem_gb": 4.19999}, "4.2 GB of memory", "mem_gb up to 4.199,"),
        ({"cpus": 65}, {"cpus": 64}, "65 CPUs", "cpus up to 64"),
        ({"cpus": 32, "tasks_per_node": 4}, {"cpus": 64}, "128 CPUs", "cpus up to 16"),
        ({"cpus": 2, "tasks_per_node": 8}, {"cpus": 4}, "16 CPUs", "tasks_per_node up to 4"),
        ({"gpus": 8}, {"gpus": 4}, "8 GPUs", "gpus up to 4"),
        ({"gpus": 1}, {"gpus": 0}, "1 GPU, partition 'gpu' allows no GPUs", "train.gpus 0,"),
        ({"nodes": 3}, {"nodes": 1}, "3 nodes, partition 'gpu' allows 1 node.", "nodes up to 1"),
    ],
)
def test_every_resource_is_looked_at(asked, limits, said, mend):
    (message,) = messages([task(**asked)], profile(**limits))
    assert f"asks for {said}" in message
    assert mend in message


def test_what_is_allowed_just_so_is_allowed():
    limits = {"time": "01:00:00", "mem_gb": 8, "cpus": 2, "gpus": 0, "nodes": 1}
    assert messages([task()], profile(**limits)) == []


def test_a_thousand_tasks_are_one_message_about_the_one_that_asks_for_most():
    tasks = [task(f"infer-{k}", "infer", hours=2 + k % 7) for k in range(1000)]
    (message,) = messages(tasks, profile(time="01:00:00"))
    assert "task infer-6 asks for 08:00:00" in message


def test_every_stage_and_every_resource_has_a_message_of_its_own():
    tasks = [task(hours=8, gpus=8), task("infer-0", "infer", hours=9)]
    found = messages(tasks, profile(time="04:00:00", gpus=4))
    assert [message.split("Write ")[1].split()[0] for message in found] == [
        "resources.train.time",
        "resources.train.gpus",
        "resources.infer.time",
    ]


def test_the_keys_are_those_of_the_application():
    (message,) = messages(
        [task(nodes=2)], profile(nodes=1), key=lambda stage, field: f"{stage}!{field}"
    )
    assert "Write train!nodes up to 1" in message


def test_nothing_is_held_against_tasks_where_no_limit_is_known():
    assert messages([task(hours=999, gpus=64)], profile()) == []
    assert messages([task(hours=999)], Profile(version=1, partition="any")) == []


def test_several_partitions_are_named_together():
    found = Profile.model_validate(
        {"version": 1, "partition": "a,b", "partitions": {"a": {"gpus": 1}, "b": {"gpus": 2}}}
    )
    (message,) = messages([task(gpus=4)], found)
    assert "partitions.a,b: " in message
    assert "partitions 'a' and 'b' allow 2 GPUs" in message


def test_an_unknown_partition_is_told_once_with_the_one_that_was_meant():
    tasks = [task(), task("infer-0", "infer")]
    assert messages(tasks, profile(partition="gup", time="00:01:00")) == [
        "profiles/polaris.yaml partition: there is no partition 'gup' below partitions. Did you "
        "mean 'gpu'?"
    ]


def test_an_unknown_partition_of_one_stage_is_told_with_its_key():
    found = Profile.model_validate(
        {"version": 1, "stages": {"train": {"partition": "xyz"}}, "partitions": {"gpu": {}}}
    )
    assert messages([task()], found) == [
        "profiles/polaris.yaml stages.train.partition: there is no partition 'xyz' below "
        "partitions. Known: gpu"
    ]
