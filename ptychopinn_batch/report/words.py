"""Figures and texts as a reader of the report sees them. Pure."""

from __future__ import annotations

import re

from hpc.cost import Hours
from ptychopinn_batch import quantities

__all__ = ["cost", "duration", "metres", "number", "sortable", "without_secrets"]

NONE = "–"
HIDDEN = "[hidden]"
# A name and the secret behind it, as programs print them: key=value, key: value, "key": "value".
_NAMED = re.compile(
    r"""(?ix) ( (?:[\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credential)
        [\w-]*) ["']? \s* [=:] \s* ["']? ) (?!\s) (?:(?:bearer|basic)\s+)? [^\s"',;&]+""",
)
_BEARER = re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9+/._~=-]{8,}")
_IN_URL = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@]+@")
_KNOWN = re.compile(r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,}|xox[abp]-[\w-]{10,}|sk-[\w-]{20,})")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def without_secrets(text: str) -> str:
    """A text to be shown to others: passwords, tokens and control characters taken out."""
    text = _CONTROL.sub("", text)
    text = _IN_URL.sub(rf"\1{HIDDEN}@", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _KNOWN.sub(HIDDEN, _NAMED.sub(rf"\1{HIDDEN}", text))


def number(value: float | None, digits: int = 4) -> str:
    """A figure with so many digits."""
    return NONE if value is None else f"{value:.{digits}g}"


def sortable(value: float | None) -> str:
    """A figure as a script sorts it; nothing where there is none."""
    return "" if value is None else repr(value)


def duration(seconds: float | None) -> str:
    """Such as 0.4 s, 38 s, 4 min 05 s, 3 h 20 min."""
    return NONE if seconds is None else quantities.duration(seconds)


def metres(value: float | None) -> str:
    """Such as 23.4 nm."""
    return NONE if value is None else quantities.length(value)


def cost(hours: Hours | None) -> str:
    """Such as 0.21 CPU-h, 0.03 GPU-h."""
    if hours is None:
        return NONE
    gpu = f", {hours.gpu:.3g} GPU-h" if hours.gpu else ""
    return f"{hours.cpu:.3g} CPU-h{gpu}"
