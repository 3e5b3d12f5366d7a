"""Ranks: read from what SLURM or our own launcher sets, and never from what is left over."""

import os
import socket
import subprocess
import sys

import pytest

from hpc.ranks import Ranks, first_host, follower_environments, free_port, meeting_point

STEP = {
    "SLURM_JOB_ID": "123457",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
}


def test_a_process_that_nobody_speaks_of_is_alone():
    assert Ranks.of({}) == Ranks() == Ranks(0, 1, 0, 0, on_slurm=False)


def test_a_task_of_a_step_is_a_rank():
    assert Ranks.of(STEP) == Ranks(3, 4, 1, 1, on_slurm=True)


def test_a_step_of_fewer_tasks_than_its_job_counts_its_own():
    assert Ranks.of({**STEP, "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}).size == 1


@pytest.mark.parametrize(
    "around",
    [
        {"SLURM_STEP_ID": ""},  # a batch script, or the shell of an salloc
        {"SLURM_STEP_ID": "4294967291"},  # a batch script that is shown its step
        {"SLURM_STEP_ID": "4294967290"},  # the shell of an salloc on the first node
    ],
)
def test_the_numbers_of_an_allocation_are_not_those_of_a_process_in_it(around):
    assert Ranks.of({**STEP, "SLURM_PROCID": "0", "SLURM_JOB_NAME": "bash", **around}) == Ranks()


@pytest.mark.parametrize("outer", [{}, STEP])
def test_ranks_that_we_start_ourselves_know_their_place_also_within_a_step(outer):
    found = [Ranks.of({**outer, **more}) for more in follower_environments(2, 3, 4711)]
    assert [(r.rank, r.node_rank, r.local_rank) for r in found] == [
        (0, 0, 0),
        (1, 0, 1),
        (2, 1, 0),
        (3, 1, 1),
        (4, 2, 0),
        (5, 2, 1),
    ]
    assert {(r.size, r.on_slurm) for r in found} == {(6, False)}


def test_they_meet_on_this_machine():
    environments = follower_environments(2, 2, 4711)
    assert {meeting_point(e) for e in environments} == {("127.0.0.1", 4711)}
    assert {meeting_point({**STEP, **e}) for e in environments} == {("127.0.0.1", 4711)}


def test_the_tasks_of_a_step_meet_on_its_first_node_at_a_port_of_their_job():
    assert meeting_point(STEP) == ("gpu07", 18457)
    other = {**STEP, "SLURM_JOB_ID": "123458"}
    assert meeting_point(other) != meeting_point(STEP)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"),
        ("node1,node2", "node1"),
        ("gpu[07-09,12],cpu1", "gpu07"),
        ("gpu[7]", "gpu7"),
        ("r[1-2]n[03-04]", "r1n03"),
        ("gpu-a[2,4].site", "gpu-a2.site"),
    ],
)
def test_the_first_host_of_a_list(nodes, first):
    assert first_host(nodes) == first


def test_a_free_port_can_be_listened_on():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_a_started_process_reads_its_own_environment():
    code = "import os; from hpc.ranks import Ranks; print(Ranks.of(os.environ).rank)"
    _, more = follower_environments(2, 1, 4711)
    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **more}, capture_output=True, check=True
    )
    assert told.stdout.split() == [b"1"]
