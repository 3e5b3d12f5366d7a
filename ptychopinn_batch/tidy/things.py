"""What takes room and can go, and what stays and why. Plain records."""

from __future__ import annotations

from typing import Literal, get_args

from hpc.record import Record

__all__ = ["KINDS", "Kept", "Kind", "Survey", "Thing"]

Kind = Literal["stores", "checkpoints", "leftovers"]
"""stores: scans as frames, made from their files; checkpoints: of finished trainings; leftovers:
what a writer that was killed left under another name."""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Thing(Record):
    """Something that can be removed. size: bytes on the disk; seconds: what it took to be made, and
    will take again where it is needed once more; None where it never is."""

    kind: Kind
    path: str
    size: int
    about: str
    seconds: float | None = None


class Kept(Record):
    """Something that stays, and why. size: 0 where it was not looked into."""

    path: str
    size: int
    why: str


class Survey(Record):
    """All that was found. `frees`: bytes that the disk gains; a file with several names counts
    once, and not at all where another name of it stays."""

    things: tuple[Thing, ...]
    kept: tuple[Kept, ...]
    frees: int
