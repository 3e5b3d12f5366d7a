"""How what takes long tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int, int], None]
"""Told of what is done, and of how much there is to do; may raise to stop."""


def silent(done: int, total: int) -> None:
    """Nobody is told."""
