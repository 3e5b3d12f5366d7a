"""Errors a user can act on: what is wrong, where it is, and how to mend it."""

from __future__ import annotations

__all__ = ["HpcError", "LockedError", "StateError", "UserError"]


class HpcError(Exception):
    """Base of every error this package raises on purpose."""


class UserError(HpcError, ValueError):
    """A mistake the user can mend; shown as one message, without a traceback.

    `where` is the place (`file`, `file:line key`), `mend` what to do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        super().__init__(what)
        self.what = what.rstrip(". ")
        self.where = where
        self.mend = mend

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.mend}" if self.mend else text


class StateError(UserError):
    """Something on disk (a record, a store, a folder) is not what it says it is."""


class LockedError(UserError):
    """Someone else is at work on the same thing right now."""
