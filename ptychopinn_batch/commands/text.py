"""Words and columns: how figures are shown on a terminal. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hpc.status import Row, RunStatus
from ptychopinn_batch import quantities

__all__ = [
    "bytes_text",
    "columns",
    "counted",
    "duration",
    "figures",
    "memory_of",
    "outlook",
    "percent",
    "plural",
    "progress_of",
    "rough",
    "shown_path",
    "time_of",
]

NOTHING = "-"
STATUS_ORDER = (
    "running",
    "queued",
    "done",
    "failed",
    "timed_out",
    "killed",
    "cancelled",
    "blocked",
)


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines with aligned columns; the last column is not padded."""
    table = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(row[k]) for row in table) for k in range(len(head))]
    widths[-1] = 0
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def duration(seconds: float | None) -> str:
    """Such as 0.4 s, 38 s, 4 min 05 s, 3 h 20 min."""
    return NOTHING if seconds is None else quantities.duration(seconds)


def rough(seconds: float) -> str:
    """A duration to be read beside another one, such as 38 s, 12 min, 3 h 20 min, 4 h."""
    minutes = int(seconds // 60)
    if minutes == 0:
        return f"{seconds:.0f} s"
    hours, rest = divmod(minutes, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest))


def bytes_text(size: int) -> str:
    """Room on a disk, such as 3.4 MB, 120 GB."""
    for factor, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            number = size / factor
            return f"{number:.1f} {unit}" if number < 9.95 else f"{number:.0f} {unit}"
    return f"{size} bytes"


def percent(share: float | None) -> str:
    """A share of something, such as `19 %`; nothing where it is not known."""
    return "" if share is None else f"{100 * share:.0f} %"


def plural(count: int, word: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def counted(counts: Mapping[str, int]) -> str:
    """Numbers of tasks by status, such as `3 running, 2 done, 1 pending`."""
    names = [*STATUS_ORDER, *counts]
    found = dict.fromkeys(name for name in names if counts.get(name))
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in found)


def shown_path(path: Path) -> str:
    """A path as short as it can be typed here."""
    short = os.path.relpath(path)
    return str(path) if short.startswith("..") else short


def progress_of(row: Row) -> str:
    """How far a task is, such as `12/48`."""
    if row.status == "running" and row.total:
        return f"{row.step}/{row.total}"
    return NOTHING


def memory_of(row: Row) -> str:
    """What a task used of the memory it asked for on a node, such as `3.1/16 GB`."""
    if row.peak_mb is None:
        return NOTHING
    used = f"{row.peak_mb / 1000:.1f}"
    return f"{used}/{row.mem_gb:g} GB" if row.mem_gb is not None else f"{used} GB"


def time_of(row: Row) -> str:
    """How long a task took; while it runs, of the time it asked for, such as `12 min/4 h`."""
    if row.status == "running" and row.seconds is not None and row.time_limit is not None:
        return f"{rough(row.seconds)}/{rough(row.time_limit)}"
    return duration(row.seconds)


def outlook(found: RunStatus, *, looked_after: bool = False) -> str:
    """Who is at work on a run, and what is left to do, as a sentence.

    `looked_after`: a batch system has a job that hands over what is left.
    """
    left = f", about {duration(found.eta)} left" if found.eta else ""
    if found.trouble is not None:
        return f"SLURM could not be asked, so this is what was recorded last: {found.trouble}"
    if found.is_done:
        return "Everything is done."
    if found.submitter is not None:
        return f"Worked on by {found.submitter}{left}."
    if found.is_in_batch or looked_after:
        return f"The cluster goes on with it by itself{left}."
    goes_on = not (found.is_over or found.stands_still)
    end = "its tasks go on" if goes_on else "submit it again to go on"
    return f"No submit is at work on it: {end}."


def figures(values: Mapping[str, float | str]) -> str:
    """Figures of a heartbeat, such as `loss 0.0123, 410 frames/s`."""
    return ", ".join(_figure(name, value) for name, value in values.items())


def _figure(name: str, value: float | str) -> str:
    shown = value if isinstance(value, str) else f"{value:.4g}"
    subject, per, unit = name.partition("_per_")
    return f"{shown} {subject}/{unit}" if per else f"{name.replace('_', ' ')} {shown}"
