"""A process is not its number: numbers are given again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hpc import process as module
from hpc.process import Process, kill_group


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    yield process
    process.kill()
    process.wait()


def known_as(pid: int) -> Process:
    started = module._start_of(pid)
    assert started is not None
    return Process(host=module.this_host(), pid=pid, started=started)


def test_this_process_is_alive_and_names_itself() -> None:
    me = Process.current()
    assert me.is_alive() is True
    assert str(me) == f"pid {os.getpid()} on {me.host}"


def test_a_recycled_number_is_another_process(dead_process: Process) -> None:
    assert dead_process.is_alive() is False


def test_an_ended_process_is_gone_even_before_it_is_reaped(
    sleeper: subprocess.Popen[bytes], eventually: object
) -> None:
    process = known_as(sleeper.pid)
    assert process.is_alive() is True
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert process.is_alive() is False


def test_nothing_can_be_said_of_another_host() -> None:
    assert Process(host="elsewhere", pid=1, started="x").is_alive() is None


def test_only_the_process_that_is_meant_is_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    process = known_as(sleeper.pid)
    process.model_copy(update={"started": "long ago"}).send(signal.SIGTERM)
    process.model_copy(update={"host": "elsewhere"}).send(signal.SIGTERM)
    assert sleeper.poll() is None
    process.send(signal.SIGTERM)
    assert sleeper.wait(30) == -signal.SIGTERM


def test_a_group_is_killed_and_one_that_is_gone_is_no_error(
    sleeper: subprocess.Popen[bytes],
) -> None:
    kill_group(sleeper.pid)
    assert sleeper.wait(30) == -signal.SIGKILL
    kill_group(sleeper.pid)


def test_it_works_without_proc_too(sleeper: subprocess.Popen[bytes]) -> None:
    started = module._start_without_proc(sleeper.pid)
    assert started is not None
    assert module._start_without_proc(sleeper.pid) == started
    sleeper.kill()
    sleeper.wait()
    assert module._start_without_proc(sleeper.pid) is None
