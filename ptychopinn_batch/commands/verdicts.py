"""What is to be thought of results and of scans, in words. Pure, but for telling of news."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from hpc.status import RunStatus
from ptychopinn_batch.verdict.findings import ORDER, objections
from ptychopinn_batch.verdict.told import CHECK, RESULT, Judged, Told, judged_rows

__all__ = ["MOST", "Warnings", "objected", "summary"]

MOST = 10  # that are told of, where not all are asked for


def summary(verdicts: Iterable[Judged]) -> str:
    """How many results are good, doubtful and bad; nothing where there is none."""
    counts = Counter(found.verdict for found in verdicts if found.stage == RESULT)
    return ", ".join(f"{counts[name]} {name}" for name in ORDER if counts[name])


def objected(verdicts: Sequence[Judged], *, most: int | None = MOST) -> Iterator[str]:
    """Those that are doubtful or bad, with reasons and mends, the bad ones first."""
    found = (one for one in verdicts if one.is_objected_to)
    ranked = sorted(found, key=lambda one: -ORDER.index(one.verdict))
    for one in ranked[:most]:
        yield f"{one.task} is {one.verdict}:"
        yield from (f"  - {finding.text}." for finding in objections(one.findings))
    if most is not None and len(ranked) > most:
        yield f"and {len(ranked) - most} more that are doubtful or bad (`status --all`)"


class Warnings:
    """Says what checks of scans have found since the first look, each once."""

    def __init__(self, told: Told, say: Callable[[str], None]) -> None:
        self._told = told
        self._say = say
        self._known: set[str] | None = None

    def update(self, status: RunStatus) -> None:
        """How the run stands now."""
        done = [row for row in status.rows if row.stage == CHECK and row.status == "done"]
        if self._known is not None:
            new = [row for row in done if row.id not in self._known]
            for line in objected(list(judged_rows(new, self._told)), most=None):
                self._say(line)
        self._known = {row.id for row in done}
