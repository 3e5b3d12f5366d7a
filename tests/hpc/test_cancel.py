"""Cancelling from outside: what is over stays as it is, what is elsewhere is told."""

import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from hpc.cancel import cancel_tasks, requester
from hpc.ledger import read_entries, read_state
from hpc.paths import RunPaths
from hpc.process import Process, _start_of
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


HOLDER = """
import subprocess, sys
deaf = "from signal import *; signal(15, SIG_IGN); print('deaf', flush=True); sigwait([SIGUSR1])"
subprocess.run([sys.executable, "-c", deaf])
"""


def test_a_deaf_worker_is_killed_though_another_leads_its_group(
    run: RunPaths, make: Make, pretend: Pretend, eventually: Callable[..., None]
) -> None:
    """As in a container, where what holds it leads the group."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, start_new_session=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"deaf\n"
        (worker,) = psutil.Process(holder.pid).children()
        started = Process.current().model_copy(
            update={"pid": worker.pid, "started": _start_of(worker.pid), "group": holder.pid}
        )
        pretend(make("a"), None, process=started)
        assert cancel_tasks(run, ["a"], grace=0.1) == ("a",)
        assert holder.wait(10) != 0
    eventually(lambda: started.is_alive() is False)


def test_a_run_without_its_ledgers_can_be_cancelled(run: RunPaths) -> None:
    run.folder.mkdir(parents=True)
    assert cancel_tasks(run, ["a"]) == ("a",)
