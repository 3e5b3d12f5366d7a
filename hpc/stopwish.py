"""Whether a task was asked to end: signals only set a flag, which the task looks at when it can."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import FrameType

from hpc.ledger import fold, read_entries

__all__ = ["STOP_SIGNALS", "StopWish"]

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR2)


class StopWish:
    """Whether the task was asked to end: by a signal, or by a cancel record in its ledger.

    The record is the way from another host, where no signal reaches.
    """

    LOOK_EVERY = 1.0  # seconds between two looks at the ledger's size

    def __init__(self, ledger: Path) -> None:
        self.asked = False
        self._ledger = ledger
        self._size = -1
        self._looked = -self.LOOK_EVERY

    def listen(self) -> None:
        """Take the stop signals from now on, in this process and not in those it forks."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)  # held back by who started us
        # A data-loading process that ignores SIGTERM could not be ended by its parent.
        os.register_at_fork(after_in_child=_restore_signals)

    def __call__(self) -> bool:
        if not self.asked and time.monotonic() - self._looked >= self.LOOK_EVERY:
            self._looked = time.monotonic()
            self._look()
        return self.asked

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def _look(self) -> None:
        try:
            size = self._ledger.stat().st_size
        except FileNotFoundError:  # of a task that was never tried nor wished anything of
            return
        if size != self._size:
            self._size = size
            if fold(read_entries(self._ledger)).cancel is not None:
                self.asked = True  # and never False: a signal may have come while we read


def _restore_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
