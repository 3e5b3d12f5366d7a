"""Verdicts as tasks told them at their end, read back from their records. Light: no numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import Field, JsonValue, ValidationError

from hpc.record import Record
from hpc.status import Row
from ptychopinn_batch.verdict.findings import Finding, Judgement

__all__ = ["CHECK", "RESULT", "Judged", "Told", "judged", "judged_rows"]

CHECK, RESULT = "check", "finalize"  # the stages that judge: a scan, and what was made of it

Told = Callable[[str], Mapping[str, JsonValue] | None]
"""What a task told at its end."""


class Judged(Record):
    """A result, or a scan before anything was made of it, and its verdict."""

    task: str
    stage: str
    verdict: Judgement
    findings: tuple[Finding, ...] = Field(strict=False)

    @property
    def is_objected_to(self) -> bool:
        """Whether a reader must know of it."""
        return self.verdict in ("doubtful", "bad")


def judged(task: str, stage: str, told: Mapping[str, JsonValue] | None) -> Judged | None:
    """The verdict that a task told; None where it told none, or another version did."""
    found = {key: (told or {}).get(key, ()) for key in ("verdict", "findings")}
    try:
        return Judged.model_validate({"task": task, "stage": stage, **found})
    except ValidationError:
        return None


def judged_rows(rows: Iterable[Row], told: Told) -> Iterator[Judged]:
    """All verdicts of a run, in the order of its plan."""
    for row in rows:
        if row.stage in (CHECK, RESULT) and row.status == "done":
            found = judged(row.id, row.stage, told(row.id))
            if found is not None:
                yield found
