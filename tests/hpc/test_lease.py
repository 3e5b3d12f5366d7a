"""One at a time, by name, and never a lock left behind by the dead."""

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.errors import LockedError
from hpc.lease import Lease, Owner, current_user, holder
from hpc.process import Process

HOLD = """
import sys, time
from pathlib import Path
from hpc.lease import Lease
lease = Lease(Path(sys.argv[1]), "the run is worked on")
print("held", flush=True)
time.sleep(600)
"""


def test_the_second_is_told_who_is_first(tmp_path: Path) -> None:
    lock = tmp_path / "new folder" / "run.lock"
    with Lease(lock, "the run is worked on"):
        found = holder(lock)
        assert found is not None
        assert found.process == Process.current()
        with pytest.raises(LockedError, match=f"worked on by {current_user()}, pid {os.getpid()}"):
            Lease(lock, "the run is worked on")
    assert holder(lock) is None


def test_a_lock_is_free_after_its_holder_and_can_be_given_back_twice(tmp_path: Path) -> None:
    lease = Lease(tmp_path / "lock", "x")
    lease.release()
    lease.release()
    Lease(tmp_path / "lock", "x").release()


def test_a_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match=f"pid {other.pid} on"):
            Lease(lock, "the run is worked on")
        other.kill()
        other.wait()
    assert holder(lock) is None
    with Lease(lock, "the run is worked on"):
        assert holder(lock) is not None


def test_one_may_wait_for_a_lock(tmp_path: Path) -> None:
    held = Lease(tmp_path / "lock", "x")
    with pytest.raises(LockedError):
        Lease(tmp_path / "lock", "x", wait=0.1)
    held.release()
    Lease(tmp_path / "lock", "x", wait=0.1).release()


def test_a_note_nobody_can_read_spoils_the_name_only(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with Lease(lock, "x"):
        (tmp_path / "lock.owner.json").write_text("{torn")
        with pytest.raises(LockedError, match="by another process"):
            Lease(lock, "x")


def test_the_note_of_a_dead_process_names_nobody(tmp_path: Path, dead_process: Process) -> None:
    owner = Owner(user="eve", process=dead_process, since=0.0)
    (tmp_path / "lock.owner.json").write_text(owner.model_dump_json())
    assert holder(tmp_path / "lock") is None


def test_a_user_without_a_name_can_work_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert current_user() == "unknown"
