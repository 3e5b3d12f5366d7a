"""One at a time, by name, and never a lock left behind by the dead."""

import getpass
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpc import lease
from hpc.errors import LockedError
from hpc.lease import EXPIRES_AFTER, Lease, Owner, at_work, current_user, holder
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


# Between hosts, whose file systems may not pass locks on


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The note of a process on another host, which has just renewed it; its lock is at "lock"."""
    note = tmp_path / "lock.owner.json"
    process = Process(host="login2", pid=77, started="x")
    note.write_text(Owner(user="eve", process=process, since=time.time()).model_dump_json())
    return note


def age(note: Path, seconds: float) -> None:
    """Have the note look as if it had not been renewed for so long."""
    then = time.time() - seconds
    os.utime(note, (then, then))


def test_a_note_that_another_host_renews_keeps_everyone_out(elsewhere: Path) -> None:
    lock, before = elsewhere.with_name("lock"), elsewhere.read_bytes()
    for _ in range(2):  # the first try must not have broken it
        with pytest.raises(LockedError) as error:
            Lease(lock, "the run is worked on", across_hosts=True)
        assert "the run is worked on by eve, pid 77 on login2" in str(error.value)
        assert f"its claim expires after {EXPIRES_AFTER:.0f} s" in str(error.value)
    assert elsewhere.read_bytes() == before


def test_of_two_hosts_that_see_no_note_at_once_one_has_it(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = elsewhere.read_bytes()
    elsewhere.unlink()
    looked = lease._other_host

    def comes_right_after(note: Path) -> Owner | None:
        found = looked(note)
        elsewhere.write_bytes(theirs)
        return found

    monkeypatch.setattr(lease, "_other_host", comes_right_after)
    with pytest.raises(LockedError, match="x by "):
        Lease(elsewhere.with_name("lock"), "x", across_hosts=True)
    assert elsewhere.read_bytes() == theirs


def test_a_note_that_another_host_renews_no_more_has_expired(elsewhere: Path) -> None:
    age(elsewhere, EXPIRES_AFTER + 1)
    with Lease(elsewhere.with_name("lock"), "x", across_hosts=True):
        owner = holder(elsewhere.with_name("lock"))
        assert owner is not None
        assert owner.process == Process.current()


def test_who_slept_until_its_claim_expired_leaves_that_of_its_successor_alone(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    successor = elsewhere.read_bytes()
    elsewhere.unlink()
    monkeypatch.setattr("hpc.lease.RENEW_EVERY", 0.01)
    with Lease(tmp_path / "lock", "x", across_hosts=True):
        elsewhere.write_bytes(successor)
        age(elsewhere, 30)
        time.sleep(0.1)
    assert elsewhere.read_bytes() == successor
    assert time.time() - elsewhere.stat().st_mtime > 29


def test_who_is_at_work_is_known_as_long_as_the_claim_has_not_expired(elsewhere: Path) -> None:
    lock = elsewhere.with_name("lock")
    owner = at_work(lock)
    assert owner is not None
    assert owner.process.host == "login2"
    age(elsewhere, EXPIRES_AFTER + 1)
    assert at_work(lock) is None


def test_our_own_claim_does_not_expire(tmp_path: Path) -> None:
    with Lease(tmp_path / "lock", "x"):
        age(tmp_path / "lock.owner.json", EXPIRES_AFTER + 1)
        assert at_work(tmp_path / "lock") is not None


def test_a_note_of_another_host_is_of_no_weight_where_others_keep_order(elsewhere: Path) -> None:
    with Lease(elsewhere.with_name("lock"), "x"):
        assert "login2" not in elsewhere.read_text()


def test_one_may_wait_until_another_host_has_ended(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc.lease.LOOK_EVERY", 0.01)
    threading.Timer(0.1, elsewhere.unlink).start()
    Lease(elsewhere.with_name("lock"), "x", wait=60, across_hosts=True).release()


def test_one_may_wait_in_vain_for_another_host(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpc.lease.LOOK_EVERY", 0.01)
    with pytest.raises(LockedError, match="login2"):
        Lease(elsewhere.with_name("lock"), "x", wait=0.05, across_hosts=True)


def test_a_dead_owner_of_this_host_keeps_nobody_out(tmp_path: Path, dead_process: Process) -> None:
    owner = Owner(user="eve", process=dead_process, since=time.time())
    (tmp_path / "lock.owner.json").write_text(owner.model_dump_json())
    Lease(tmp_path / "lock", "x", across_hosts=True).release()


def test_a_torn_note_keeps_nobody_out(elsewhere: Path) -> None:
    elsewhere.write_text('{"user": "eve", "proc')
    Lease(elsewhere.with_name("lock"), "x", across_hosts=True).release()


def test_whoever_holds_a_lock_renews_its_note_until_it_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    monkeypatch.setattr("hpc.lease.RENEW_EVERY", 0.01)
    note = tmp_path / "lock.owner.json"
    lease = Lease(tmp_path / "lock", "x", across_hosts=True)
    for _ in range(2):  # again and again
        age(note, 1000)
        eventually(lambda: time.time() - note.stat().st_mtime < 500)
    lease.release()
    assert not note.exists()
    note.touch()
    age(note, 1000)
    time.sleep(0.1)
    assert time.time() - note.stat().st_mtime > 500


def test_a_note_that_somebody_has_removed_does_not_end_its_holder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]
) -> None:
    monkeypatch.setattr("hpc.lease.RENEW_EVERY", 0.01)
    note = tmp_path / "lock.owner.json"
    with Lease(tmp_path / "lock", "x", across_hosts=True):
        note.unlink()
        time.sleep(0.1)
        note.touch()
        age(note, 1000)
        eventually(lambda: time.time() - note.stat().st_mtime < 500)
