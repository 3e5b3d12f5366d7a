"""The base of every stored record, and what is said when one does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic_core import PydanticCustomError

__all__ = ["Json", "Record", "Section", "explain", "wrong"]

if TYPE_CHECKING:
    Json = JsonValue
else:
    # Read as JSON or written as JSON anyway: pydantic would look at every value of the tasks and
    # ledgers of ten thousand tasks once more, and slowly.
    Json = Any


class Record(BaseModel):
    """A frozen, strict value: unknown fields and wrong types are errors, never guessed at."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Section(Record):
    """A mapping of a file that users write."""

    model_config = ConfigDict(allow_inf_nan=False)


def wrong(key: str, what: str, mend: str) -> PydanticCustomError:
    """A broken rule between keys. `key` is dotted and relative to where the validator stands."""
    return PydanticCustomError("rule", "{what}", {"key": key, "what": what, "mend": mend})


def explain(error: ValidationError) -> str:
    """The first complaint of a validation as one line: `key: what is wrong`."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    return f"{key}: {first['msg']}" if key else first["msg"]
