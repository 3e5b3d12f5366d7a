"""What every section of a job spec is made of: strict models, safe names, seeds, broken rules."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hpc.record import Section, wrong

__all__ = ["NAME", "SafeName", "Section", "Seed", "wrong"]

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
SafeName = Annotated[
    str,
    Field(
        pattern=NAME,
        json_schema_extra={
            "patternErrorMessage": "1 to 64 letters, digits, '.', '_' or '-', beginning with a "
            "letter or a digit"
        },
    ),
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
