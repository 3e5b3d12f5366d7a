"""The words of a verdict: judgements, faults, and what is found. Light: `status` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from pydantic import Field

from hpc.record import Record

Judgement: TypeAlias = Literal["good", "unknown", "doubtful", "bad"]
Fault: TypeAlias = Literal[
    "residual",
    "prediction",
    "coverage",
    "steps",
    "halves",
    "axes",
    "pixel size",
    "positions",
    "probe",
    "coherence",
    "saturation",
    "dead pixels",
    "hot pixels",
    "dark frames",
    "repeated frames",
    "odd frames",
    "overlap",
    "photons",
]

ORDER: tuple[Judgement, ...] = ("good", "unknown", "doubtful", "bad")


class Finding(Record):
    """One question answered. mend: what to do about it, empty where nothing has to be done."""

    fault: Fault
    judgement: Judgement
    reason: str
    mend: str = ""

    @property
    def text(self) -> str:
        """Reason and mend in a line."""
        return f"{self.reason}. {self.mend}" if self.mend else self.reason


def objections(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that are doubtful or bad: what a reader must know."""
    return tuple(found for found in findings if found.judgement in ("doubtful", "bad"))


def faults_in(findings: Iterable[Finding]) -> tuple[str, ...]:
    """The names of what is wrong, each once."""
    return tuple(dict.fromkeys(found.fault for found in objections(findings)))


def finding(fault: Fault, judgement: Judgement, reason: str, mend: str = "") -> Finding:
    """A finding, its parts in their order."""
    return Finding(fault=fault, judgement=judgement, reason=reason, mend=mend)


class Verdict(Record):
    """A judgement, the worst finding deciding, and all findings, the worst first."""

    judgement: Judgement
    findings: tuple[Finding, ...] = Field(strict=False)

    @classmethod
    def of(cls, findings: tuple[Finding, ...]) -> Verdict:
        """The verdict of some findings; those of one judgement stay in their order."""
        ranked = sorted(findings, key=lambda found: -ORDER.index(found.judgement))
        return cls(judgement=ranked[0].judgement if ranked else "unknown", findings=tuple(ranked))
