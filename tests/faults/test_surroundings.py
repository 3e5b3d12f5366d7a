"""A slow disk, a clock that jumps, another host: a run comes out as it would without them."""

import os
import socket
import time

import pytest

from hpc.lease import EXPIRES_AFTER
from tests.faults.machine import Count, Machine, kill, slow
from tests.faults.place import Place

DAY = 86400.0


def test_a_slow_disk_costs_time_only(tmp_path, expected):
    place = Place(tmp_path)
    machine = Machine(place.run.root, slow, 1, lasting=True)
    assert place.submit(machine.start).code == 0
    assert machine.struck.value > 100
    assert place.result() == expected


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_clock_that_jumps_in_the_middle_changes_nothing(tmp_path, expected, jump):
    place, real = Place(tmp_path), time.time

    def strike(where: str, path: str) -> None:
        time.time = lambda: real() + jump

    machine = Machine(place.run.root, strike, 120, lasting=True)
    assert place.submit(machine.start).code == 0
    assert machine.struck.value > 0
    assert place.result() == expected
    assert "Nothing to do" in place.submit().text
    assert all((state.seconds or -1) >= 0 for state in place.states().values())


def test_a_run_whose_host_died_goes_on_from_another_one(tmp_path, expected):
    """What ran there cannot be asked about: the user says that it is over."""
    place, dead = Place(tmp_path), Count()

    def power_cut(where: str, path: str) -> None:
        if dead.value or "/results/" in path:
            dead.next()
            kill(where, path)

    def there() -> None:
        socket.gethostname = lambda: "host-a"
        Machine(place.run.root, power_cut, 1, lasting=True).start()

    place.submit(there)
    (left,) = [name for name, state in place.states().items() if state.status == "running"]
    assert place.states()[left].host == "host-a"
    refused = place.submit()
    assert refused.code == 2
    assert "host-a" in refused.text
    assert f"expires after {EXPIRES_AFTER:.0f} s" in refused.text
    for note in place.run.folder.rglob("*.owner.json"):
        os.utime(note, (time.time() - EXPIRES_AFTER - 1,) * 2)
    assert place.call("cancel", "small").code == 0
    again = place.submit()
    assert again.code == 0, again.text
    assert place.result() == expected
