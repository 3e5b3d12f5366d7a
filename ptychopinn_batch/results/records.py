"""Records beside a result, as far as they are read again; other versions wrote other keys."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

__all__ = ["Made", "Program", "Provenance", "provenance_in", "read_record"]

M = TypeVar("M", bound=BaseModel)


class Source(BaseModel):
    """The commit of the code, and whether it was changed since."""

    commit: str = ""
    dirty: bool = False


class Program(BaseModel):
    """As much of what made a result as tells two programs apart."""

    versions: dict[str, str] = {}
    source: Source | None = None
    host: str | None = None


class Made(Program):
    """What made a result, and when."""

    created: str = ""
    cpu: str | None = None
    gpus: tuple[str, ...] = ()
    job: str | None = None


class Provenance(BaseModel):
    """`provenance.json`; network: id of what made the result."""

    network: str = ""
    provenance: Made = Made()


def read_record(path: Path, model: type[M]) -> M | None:
    """A record; None where it is not there, or of another version."""
    with suppress(OSError, ValidationError):
        return model.model_validate_json(path.read_bytes())
    return None


def provenance_in(path: Path) -> Provenance:
    """What a `provenance.json` tells; nothing where it is not there, or of another version."""
    return read_record(path, Provenance) or Provenance()
