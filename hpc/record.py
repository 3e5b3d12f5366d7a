"""The base of every stored record, and what is said when one does not hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["Record", "explain"]


class Record(BaseModel):
    """A frozen, strict value: unknown fields and wrong types are errors, never guessed at."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def explain(error: ValidationError) -> str:
    """The first complaint of a validation as one line: `key: what is wrong`."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg']}" if key else first["msg"]
