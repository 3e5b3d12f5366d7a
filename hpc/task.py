"""A task: one piece of work as plain JSON, and the key that says whether it was done already."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

from hpc.record import Json, Record
from hpc.resources import Resources

__all__ = ["Name", "Task", "make_task"]

# Long enough for any sensible name, short enough for `.<name>.params.json.<pid>.<random>.tmp`.
LONGEST_NAME = 180
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@,-]*")


def parse_name(value: str) -> str:
    """A name that is a file name everywhere and needs no quotes in a shell."""
    if len(value) > LONGEST_NAME or not _NAME.fullmatch(value):
        raise ValueError(
            f"Expected a name of letters, digits and ._+=@,- that begins with a letter or digit "
            f"(at most {LONGEST_NAME}), got {value!r}"
        )
    return value


Name = Annotated[str, AfterValidator(parse_name)]


class Task(Record):
    """One piece of work. `params` decide its result and are part of its key, `extras` do not.

    `needs` must have succeeded before: first those whose outputs it reads, with their keys in
    `need_keys`, then those that only have to agree to it.
    `outputs` is what it leaves behind, relative to the folder of all runs; `image` the SHA-256 of
    the container's image that it runs in, part of its key.
    """

    id: Name
    stage: str
    entry: str = Field(pattern=r"^[\w.]+:\w+$")  # "package.module:function"
    revision: int  # raised whenever the entry's code changes what comes out
    params: dict[str, Json]
    extras: dict[str, Json] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    need_keys: tuple[str, ...] = ()  # beside `needs`, so that a plan can say which of them changed
    resources: Resources
    outputs: tuple[str, ...] = ()
    image: str | None = None
    key: str


def make_task(
    *,
    id: str,  # noqa: A002 - the word every record uses
    stage: str,
    entry: str,
    revision: int,
    params: Mapping[str, JsonValue],
    extras: Mapping[str, JsonValue] | None = None,
    needs: Sequence[Task] = (),
    after: Sequence[Task] = (),
    resources: Resources,
    image: str | None = None,
) -> Task:
    """A task with its key: the hash of entry, revision, parameters, image and its needs' keys.

    after: tasks that must have succeeded too, though nothing of them is read: not in the key.
    Raises ValueError where a parameter is not finite: it would have no stable JSON.
    """
    identity = {
        "entry": entry,
        "revision": revision,
        "params": dict(params),
        "needs": sorted(need.key for need in needs),
        **({"image": image} if image else {}),  # without one, keys are what they always were
    }
    return Task(
        id=id,
        stage=stage,
        entry=entry,
        revision=revision,
        params=dict(params),
        extras=dict(extras or {}),
        needs=tuple(need.id for need in (*needs, *after)),
        need_keys=tuple(need.key for need in needs),
        resources=resources,
        image=image,
        key=content_key(identity),
    )


def content_key(value: Any) -> str:
    """The first 32 hex digits of the SHA-256 of canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
