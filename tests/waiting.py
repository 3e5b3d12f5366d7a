"""Waiting for what another process brings about; a test that waits in vain fails."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def until(holds: Callable[[], Value], seconds: float = 60.0, pause: float = 0.05) -> Value:
    """What `holds` says once that is true; asked again after every pause."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(pause)
    return value
