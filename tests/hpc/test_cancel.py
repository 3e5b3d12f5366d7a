"""Cancelling from outside: what is over stays as it is, what is elsewhere is told."""

from collections.abc import Callable

import pytest

from hpc.cancel import cancel_tasks, requester
from hpc.ledger import read_entries, read_state
from hpc.paths import RunPaths
from hpc.process import Process
from hpc.task import Task

Make = Callable[..., Task]
Pretend = Callable[..., None]


@pytest.mark.parametrize("outcome", ["done", "failed", "timed_out", "killed"])
def test_what_is_over_is_left_alone(
    run: RunPaths, make: Make, pretend: Pretend, outcome: str
) -> None:
    pretend(make("a"), outcome)
    assert cancel_tasks(run, ["a"]) == ()
    assert len(read_entries(run.ledger("a"))) == 2


def test_a_task_that_never_ran_can_be_cancelled(run: RunPaths) -> None:
    run.create()
    assert cancel_tasks(run, ["a"]) == ("a",)
    state = read_state(run, "a")
    assert (state.status, state.cause) == ("cancelled", f"by {requester()}")
    assert cancel_tasks(run, ["a"]) == ()


def test_a_worker_on_a_host_that_is_lost_is_cancelled_by_the_record_alone(
    run: RunPaths, make: Make, pretend: Pretend
) -> None:
    pretend(make("a"), None, process=Process(host="node7", pid=1, started="x"))
    assert cancel_tasks(run, ["a"], grace=0) == ("a",)
    assert read_state(run, "a").status == "cancelled"


def test_a_run_without_its_ledgers_can_be_cancelled(run: RunPaths) -> None:
    run.folder.mkdir(parents=True)
    assert cancel_tasks(run, ["a"]) == ("a",)
