"""A cluster's own facts as a profile states them: how to ask for nodes there, and what it allows.

Descriptions end with the unit in square brackets; the documentation is generated from them. Rules
that tie keys together raise a `rule` error with key, fault and mend, to which the reader of
profiles adds file and line.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from hpc.container import Container
from hpc.record import Section, wrong
from hpc.resources import Time
from hpc.slurm.parameters import MANAGED, Parameter, SbatchValue

__all__ = ["Limits", "Mail", "Options", "Partition", "Profile", "StageOptions"]

DEFAULT_ARRAY_SIZE = 1000
DEFAULT_SIGNAL = 120

# One word without quotes or control characters: it stands in a line of a script.
Word = Annotated[
    str,
    Field(
        pattern=r"^[^\s'\"\\]+$",
        json_schema_extra={"patternErrorMessage": "one word without spaces or quotes"},
    ),
]
MailType = Literal["BEGIN", "END", "FAIL", "REQUEUE", "TIME_LIMIT", "ALL"]


GpuType = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]+$",
        json_schema_extra={"patternErrorMessage": "one word of letters, digits and ._-"},
    ),
]


class Mail(Section):
    """Mail about a run as a whole, never one for each task."""

    user: Word = Field(description="address that gets the mail", examples=["me@example.org"])
    on: tuple[MailType, ...] = Field(
        ("END", "FAIL"), strict=False, min_length=1, description="when it is sent"
    )


class Options(Section):
    """How jobs are handed to SLURM."""

    partition: Word | None = Field(
        None, description="partition, or several with commas between; null: the cluster's default"
    )
    account: Word | None = Field(None, description="account that is charged")
    qos: Word | None = Field(None, description="quality of service")
    constraint: Word | None = Field(None, description="features that nodes must have")
    gpu_type: GpuType | None = Field(
        None,
        description="type of GPU, where the cluster tells types apart; null: any",
        examples=["a100"],
    )
    reservation: Word | None = Field(None, description="reservation to run in")
    sbatch: dict[Parameter, SbatchValue | None] = Field(
        {},
        description="more parameters of sbatch, such as {gpu-bind: closest, exclusive: true}; "
        "false or null: without it",
    )
    setup: tuple[str, ...] = Field(
        (), strict=False, description="lines of shell before every task, such as module load cuda"
    )
    python: str | None = Field(
        None,
        description="command that starts Python, such as /shared/venv/bin/python; "
        "null: the interpreter that submits",
    )

    @field_validator("sbatch")
    @classmethod
    def _no_gpus(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "gpu" in str(value.get("gres")):
            raise wrong("gres", "GPUs are asked for elsewhere", MANAGED["gpus"])
        return value

    @field_validator("python")
    @classmethod
    def _shell_words(cls, value: str | None) -> str | None:
        if value is not None and not _words(value):
            mend = "Close every quote, or remove the key"
            raise wrong("", "Expected a command, as words of a shell", mend)
        return value


class StageOptions(Options):
    """Options of one stage. A key that is given takes the place of the general one, also by null;
    parameters of sbatch do so one by one."""

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What is not given must stay so when it is read again: it means the general option.
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}


class Limits(Section):
    """The most that a job may ask for; null: no limit is known."""

    time: Time | None = Field(None, description="longest time [HH:MM:SS]")
    mem_gb: Annotated[float, Field(gt=0)] | None = Field(
        None, description="memory of the largest node [GB]", examples=[512]
    )
    cpus: Annotated[int, Field(ge=1)] | None = Field(
        None, description="CPUs of the largest node", examples=[64]
    )
    gpus: Annotated[int, Field(ge=0)] | None = Field(
        None, description="GPUs of the node with most of them", examples=[4]
    )
    nodes: Annotated[int, Field(ge=1)] | None = Field(
        None, description="nodes of one job", examples=[16]
    )


_LIMITS = tuple(Limits.model_fields)


class Partition(Limits):
    """What a job in one partition may ask for; null, or left out: no limit is known."""

    default: bool = Field(False, description="where jobs go that name no partition")

    @property
    def limits(self) -> Limits:
        return Limits(**{name: getattr(self, name) for name in _LIMITS})


class Profile(Options):
    """One cluster."""

    version: Literal[1] = Field(description="version of this language")
    executor: Literal["slurm", "local"] = Field(
        "slurm", description="where tasks run unless `submit --executor` says otherwise"
    )
    mail: Mail | None = Field(None, description="mail about a run; null: none")
    container: Container | None = Field(
        None, description="the image that every task runs in; null: none"
    )
    stages: dict[str, StageOptions] = Field(
        {},
        description="options of single stages: check, prepare, train, package, refine, infer, "
        "finalize",
    )
    array_size: int = Field(
        DEFAULT_ARRAY_SIZE, ge=1, description="tasks that one array may hold (MaxArraySize)"
    )
    max_jobs: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="jobs that one user may have queued, every task of an array counted; "
        "null: no limit is known",
        examples=[1000],
    )
    signal_s: int = Field(
        DEFAULT_SIGNAL,
        ge=1,
        le=65535,
        description="how long before their time is up tasks are asked to save their state [s]",
    )
    partitions: dict[str, Partition] = Field({}, description="what each partition allows")

    @model_validator(mode="after")
    def _one_default(self) -> Self:
        names = [name for name, partition in self.partitions.items() if partition.default]
        if len(names) > 1:
            what = f"two partitions are the default ('{names[0]}' and '{names[1]}')"
            raise wrong(f"partitions.{names[1]}.default", what, "Keep one")
        return self

    @model_validator(mode="after")
    def _one_python(self) -> Self:
        own = [f"stages.{name}.python" for name, stage in self.stages.items() if stage.python]
        given = (["python"] if self.python else []) + own
        if self.container is not None and given:
            raise wrong(given[0], "the container brings its own Python", "Remove one of the two")
        return self

    def options(self, stage: str) -> Options:
        """How the jobs of a stage are handed to SLURM."""
        own = self.stages.get(stage, StageOptions())
        merged = {name: getattr(self, name) for name in Options.model_fields}
        merged |= {name: getattr(own, name) for name in own.model_fields_set}
        sbatch = {**self.sbatch, **own.sbatch}
        merged["sbatch"] = {key: value for key, value in sbatch.items() if value is not None}
        return Options(**merged)

    def limits(self, stage: str) -> Limits:
        """What a job of a stage may ask for: the widest limits of the partitions it names."""
        found = [self.partitions.get(name, Partition()) for name in self.partition_names(stage)]
        return _widest([partition.limits for partition in found])

    def partition_names(self, stage: str) -> tuple[str, ...]:
        """The partitions in which the jobs of a stage may run, as far as they are known."""
        named = self.options(stage).partition
        if named is not None:
            return tuple(name for name in named.split(",") if name)
        return tuple(name for name, one in self.partitions.items() if one.default)


def _widest(found: Sequence[Limits]) -> Limits:
    """SLURM takes whichever of several partitions starts first: one that allows it is enough."""
    return Limits(**{name: _largest([getattr(one, name) for one in found]) for name in _LIMITS})


def _largest(values: Sequence[Any]) -> Any:
    return None if None in values else max(values, default=None)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []
