"""What a method made of a scan, and what it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ptychopinn_batch.region import Region

from .memory import Peak


@dataclass(frozen=True)
class Outcome:
    """object: (H, W) complex64 on the region's canvas; region: the frames it was given, with the
    probe and positions that belong to the object, which a method may have refined; seconds: of
    the computation alone; peak_mb: memory beyond what was there before, NaN if unknown; epochs:
    sweeps over all frames, or steps; trained_s: seconds spent on training for this scan."""

    object: Tensor
    region: Region
    seconds: float
    peak_mb: float
    epochs: int
    trained_s: float = 0.0


def measured(work: Callable[[], tuple[Tensor, Region]], epochs: int) -> Outcome:
    """The outcome of some work, its time and memory taken."""
    peak, began = Peak(), time.perf_counter()
    obj, region = work()
    seconds = time.perf_counter() - began
    return Outcome(obj, region, seconds, peak.mb(), epochs)
