"""Looking on at a run until nothing goes on in it: for `watch`, and for `logs --follow`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from hpc.status import RunStatus

__all__ = ["Reader", "looks"]

PATIENCE = 5.0  # seconds between two looks while only a steward is waited for


class Reader(Protocol):
    """Tells how a run stands, whenever it is asked."""

    def read(self) -> RunStatus: ...


def looks(
    reader: Reader,
    interval: float,
    goes_on: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[RunStatus]:
    """How a run stands, again and again until it is over or stands still.

    Then `goes_on` is asked whether somebody will start something all the same.
    """
    while True:
        found = reader.read()
        yield found
        if found.is_done:
            return
        if not (found.is_over or found.stands_still):
            sleep(interval)
        elif goes_on():
            sleep(max(interval, PATIENCE))
        else:
            return
