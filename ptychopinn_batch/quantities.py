"""Quantities in words, each in the unit that suits its size. Pure."""

from __future__ import annotations

__all__ = ["duration", "length"]

LENGTHS = ((1.0, "m"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))
ROUNDING = 1e-9  # relative: 0.001 m is 1 mm, however it was computed


def duration(seconds: float) -> str:
    """Such as 0.4 s, 38 s, 4 min 05 s, 3 h 20 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def length(metres: float, digits: int = 3) -> str:
    """Such as 23.4 nm, 2 µm."""
    for factor, unit in LENGTHS:
        if metres >= factor * (1 - ROUNDING):
            return f"{metres / factor:.{digits}g} {unit}"
    return f"{metres / 1e-12:.{digits}g} pm"
