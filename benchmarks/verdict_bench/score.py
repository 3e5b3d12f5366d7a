"""What the verdict said of scans whose faults are known: found, missed, made up. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from hpc.record import Record
from ptychopinn_batch.verdict.evidence import Evidence
from ptychopinn_batch.verdict.findings import Fault, Judgement
from ptychopinn_batch.verdict.judge import judge_scan

from .scans import FAULTS, cases_of_a_round

NAMED: dict[str, tuple[Fault, ...]] = {
    "decentred": ("probe",),
    "coherence": ("coherence", "probe"),
    "photons": ("photons",),
    "positions by 3 px": ("positions",),
    "distance by 20 %": ("pixel size",),
}
"""Faults of a verdict that name a kind rightly; those of the same name where none stand here."""


class Row(Record):
    """One scan: the fault that it was given, and what was measured. refused: by the readers."""

    seed: int
    kind: str
    size: float
    about: str
    seconds: float
    evidence: Evidence | None
    refused: str = ""

    @property
    def judgement(self) -> Judgement:
        return judge_scan(self.evidence).judgement if self.evidence else "bad"

    @property
    def is_named(self) -> bool:
        """Whether the fault is among the findings, by its right name."""
        return self._names("doubtful", "bad")

    @property
    def is_bad_for_it(self) -> bool:
        """Whether the scan is bad for the right reason."""
        return self._names("bad")

    def _names(self, *judgements: Judgement) -> bool:
        if self.evidence is None:
            return bool(self.refused)
        right = NAMED.get(self.kind, (self.kind,))
        found = judge_scan(self.evidence).findings
        return any(f.fault in right for f in found if f.judgement in judgements)

    @property
    def is_tuning(self) -> bool:
        """Whether it belongs to the half that thresholds are set on: every other round of kinds."""
        return self.seed // cases_of_a_round() % 2 == 0


class Rate(Record):
    """How often something was so."""

    count: int = Field(ge=0)
    of: int = Field(ge=0)

    @classmethod
    def among(cls, answers: Sequence[bool]) -> Rate:
        return cls(count=sum(answers), of=len(answers))

    def __str__(self) -> str:
        return f"{self.count}/{self.of}" if self.of else "-"


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown: for each kind how many were seen, called bad, and called by their name."""
    yield (
        "| fault | scans | doubtful or bad | bad | rightly named | bad for the right reason | "
        "named in sound scans |"
    )
    yield "|---|---|---|---|---|---|---|"
    sound = [row for row in rows if not row.kind]
    for kind in FAULTS:
        chosen = [row for row in rows if row.kind == kind]
        if chosen:
            yield _line(kind, chosen, sound)
    yield _sound_line(sound)


def _line(kind: str, rows: Sequence[Row], sound: Sequence[Row]) -> str:
    seen = Rate.among([row.judgement in ("doubtful", "bad") for row in rows])
    bad = Rate.among([row.judgement == "bad" for row in rows])
    named = Rate.among([row.is_named for row in rows])
    right = Rate.among([row.is_bad_for_it for row in rows])
    made_up = Rate.among([row.model_copy(update={"kind": kind}).is_named for row in sound])
    return f"| {kind} | {len(rows)} | {seen} | {bad} | {named} | {right} | {made_up} |"


def _sound_line(rows: Sequence[Row]) -> str:
    seen = Rate.among([row.judgement == "doubtful" for row in rows])
    bad = Rate.among([row.judgement == "bad" for row in rows])
    return f"| none (sound) | {len(rows)} | {seen} doubtful | {bad} | | | |"


def missed(rows: Sequence[Row]) -> Iterator[str]:
    """Every scan that was not judged as it should be, with what was said of it."""
    for row in rows:
        if row.judgement != "good" if not row.kind else not row.is_named:
            said = judge_scan(row.evidence).findings if row.evidence else ()
            texts = "; ".join(f"{f.judgement} {f.fault}: {f.reason}" for f in said)
            yield f"#{row.seed} {row.kind or 'sound'} ({row.about}): {texts or row.refused}"
