"""The memory that one piece of work took, told by Linux. Imports only the standard library."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): sets the peak of resident memory to what is resident now


class Peak:
    """Begun before the work: frees what is left of the work before, and forgets its peak."""

    def __init__(self) -> None:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        self._before = None
        with contextlib.suppress(OSError):
            CLEAR.write_text(RESET_PEAK)
            self._before = _kilobytes("VmRSS")

    def mb(self) -> float:
        """Most memory since then beyond what was there, in MB (10^6 bytes); NaN if unknown."""
        peak = _kilobytes("VmHWM")
        if self._before is None or peak is None:
            return float("nan")
        return (peak - self._before) * 1024 / 1e6


def _kilobytes(name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None
