"""How much memory this process has taken, as its system counts it."""

from __future__ import annotations

import resource
import sys

__all__ = ["peak_mb"]


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes).

    That of a parent which it was forked from counts as well, for Linux hands it on.
    """
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts in bytes there, in KiB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
