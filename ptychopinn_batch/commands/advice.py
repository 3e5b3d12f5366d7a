"""Which stages of a finished run asked for far more than they used, and what would do. Pure.

Large asks wait longer in a cluster's queue; small ones are left alone, whatever was used of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from hpc.resources import format_duration
from hpc.status import Row, RunStatus
from ptychopinn_batch.commands.text import rough
from ptychopinn_batch.sections import section_of

__all__ = ["advice"]

SMALL_GB, SMALL_SECONDS = 8.0, 3600.0  # asks up to these cost nobody anything
LITTLE_MEMORY, LITTLE_TIME = 0.5, 0.1  # shares
# What would do: with some to spare, for children are not in the peak, and machines differ in speed.
SPARE_MEMORY, SPARE_TIME = 1.5, 2.0
STEP_GB, STEP_SECONDS = 4, 1800


def advice(found: RunStatus) -> list[str]:
    """One line per section of `resources` that could be smaller; none while the run goes on, nor
    where no queue was waited in."""
    if not found.is_over or not any(row.batch for row in found.rows):
        return []
    names = dict.fromkeys(section_of(row.stage) for row in found.rows)
    lines = (_line(n, [r for r in found.rows if section_of(r.stage) == n]) for n in names)
    return [line for line in lines if line]


def _line(name: str, rows: Sequence[Row]) -> str:
    """Nothing where a task failed: it may have been for want of what looks plenty."""
    if any(row.status != "done" for row in rows):
        return ""
    parts = [*_memory(name, rows), *_time(name, rows)]
    return f"{name} {'; it '.join(parts)}" if parts else ""


def _memory(name: str, rows: Sequence[Row]) -> Iterator[str]:
    asked, used = _least(row.mem_gb for row in rows), _most(row.peak_mb for row in rows)
    if asked is None or used is None:
        return
    used /= 1000
    enough = max(SMALL_GB, STEP_GB * math.ceil(SPARE_MEMORY * used / STEP_GB))
    if asked > SMALL_GB and used < LITTLE_MEMORY * asked and enough < asked:
        yield (
            f"asked for {asked:g} GB and used at most {used:.1f} GB: "
            f"resources.{name}.mem_gb {enough:g} would do"
        )


def _time(name: str, rows: Sequence[Row]) -> Iterator[str]:
    asked, used = _least(row.time_limit for row in rows), _most(row.seconds for row in rows)
    # A later attempt went on from where another was: how long the whole takes is not known.
    if asked is None or used is None or any(row.attempt > 1 for row in rows):
        return
    enough = STEP_SECONDS * max(1, math.ceil(SPARE_TIME * used / STEP_SECONDS))
    if asked > SMALL_SECONDS and used < LITTLE_TIME * asked and enough < asked:
        yield (
            f"asked for {rough(asked)} and took at most {rough(used)}: "
            f"resources.{name}.time {format_duration(timedelta(seconds=enough))} would do"
        )


def _least(values: Iterator[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: Iterator[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
