"""What a task asks of a machine: time, memory, CPUs, GPUs, nodes."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from hpc.record import Record

__all__ = ["Resources", "Time", "format_duration", "parse_duration"]

_DURATION = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")


def parse_duration(value: Any) -> Any:
    """`HH:MM:SS`, `D-HH:MM:SS` or whole seconds as a timedelta; anything else is for pydantic.

    Whole seconds, because YAML 1.1 reads an unquoted 04:00:00 as the number 14400.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _seconds(value)
    if not isinstance(value, str):
        return value
    return _parsed(value)


@lru_cache(1024)  # a plan of ten thousand tasks names a handful
def _parsed(value: str) -> timedelta:
    match = _DURATION.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"Expected a duration as HH:MM:SS, got {value!r}")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return _seconds(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _seconds(count: int) -> timedelta:
    try:
        return timedelta(seconds=count)
    except OverflowError:
        raise ValueError("Expected a duration of less than a million years") from None


def format_duration(value: timedelta) -> str:
    """A duration as HH:MM:SS, hours counted on beyond a day, parts of a second rounded off."""
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"


Time = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    Field(gt=timedelta(0)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+-)?\d+:[0-5]\d:[0-5]\d$",
            "patternErrorMessage": "a time as HH:MM:SS or D-HH:MM:SS",
            "examples": ["04:00:00"],
        }
    ),
]


class Resources(Record):
    """What one task needs: memory and GPUs of a node, CPUs of a process."""

    time: Time
    mem_gb: float = Field(gt=0)
    cpus: int = Field(ge=1)
    gpus: int = Field(ge=0)
    nodes: int = Field(default=1, ge=1)
    tasks_per_node: int = Field(default=1, ge=1)

    @property
    def processes(self) -> int:
        """On all of its nodes."""
        return self.nodes * self.tasks_per_node

    @property
    def cpus_of_node(self) -> int:
        """Those of all its processes on a node."""
        return self.cpus * self.tasks_per_node
