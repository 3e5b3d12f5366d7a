"""Mistakes in a job spec, collected so that all of them are reported in one go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from hpc.errors import UserError


class Complaint(NamedTuple):
    """One mistake: where it stands, what is wrong, how to mend it."""

    where: str
    what: str
    mend: str
    line: int = 0

    def __str__(self) -> str:
        return str(UserError(self.what, where=self.where, mend=self.mend))


class SpecError(UserError):
    """Every mistake that was found in a spec, one line each."""

    def __init__(self, source: str, complaints: tuple[Complaint, ...]) -> None:
        first = complaints[0]
        if len(complaints) == 1:
            super().__init__(first.what, where=first.where, mend=first.mend)
        else:
            lines = "".join(f"\n  {complaint}" for complaint in complaints)
            super().__init__(f"{len(complaints)} mistakes in {source}:{lines}")
        self.complaints = complaints


def refuse(source: str, complaints: Iterable[Complaint]) -> None:
    """Raise one SpecError with every different complaint in order of lines, if there is any."""
    different = sorted(dict.fromkeys(complaints), key=lambda complaint: complaint.line)
    if different:
        raise SpecError(source, tuple(different))


def complaints_of(error: UserError) -> tuple[Complaint, ...]:
    """What an error holds, to be reported together with others."""
    if isinstance(error, SpecError):
        return error.complaints
    return (Complaint(error.where or "", error.what, error.mend or ""),)
