"""What a check has found: all is well, or what is wrong and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from hpc.errors import HpcError, UserError

__all__ = ["Check", "Finding", "Verdict", "bad", "carried_out", "good", "warning"]

Verdict = Literal["ok", "warning", "bad"]


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    about: str
    verdict: Verdict
    what: str
    mend: str = ""


Check = tuple[str, Callable[[], Finding]]
"""What a check is about, and what makes its finding."""


def good(about: str, what: str) -> Finding:
    return Finding(about, "ok", what)


def warning(about: str, what: str, mend: str) -> Finding:
    return Finding(about, "warning", what, mend)


def bad(about: str, what: str, mend: str) -> Finding:
    return Finding(about, "bad", what, mend)


def carried_out(checks: Iterable[Check]) -> Iterator[Finding]:
    """The findings, one by one; a check that cannot even be made is a bad one."""
    for about, check in checks:
        try:
            yield check()
        except UserError as error:
            where = f"{error.where}: " if error.where else ""
            yield bad(about, f"{where}{error.what}", error.mend or "")
        except (HpcError, OSError) as error:
            yield bad(about, str(error), "")
