"""In which settings two runs differ: the leaves of two resolved specs, by their dotted keys."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from pydantic import JsonValue

from hpc.errors import StateError
from hpc.paths import RunPaths
from hpc.record import Record

__all__ = ["Setting", "differing", "settings_of"]

ELSEWHERE = ("name", "sweep", "profiles")  # not of a variant: its values stand in the other keys


class Setting(Record):
    """A key that two runs do not have the same value of; null also where one does not have it."""

    key: str
    a: JsonValue
    b: JsonValue


def settings_of(run: RunPaths, variants: Collection[str]) -> JsonValue:
    """The spec of a run as it was resolved; of a single variant with the values of its own.

    StateError where it is gone or damaged.
    """
    try:
        spec = json.loads(run.resolved.read_bytes())
    except (OSError, ValueError):
        raise _useless(run, "no spec is to be read here") from None
    if not isinstance(spec, dict):
        raise _useless(run, "this is no spec")
    if len(variants) != 1:
        return {key: value for key, value in spec.items() if key != "name"}
    if spec.get("sweep"):
        spec = _of_variant(run, *variants)
    return {key: value for key, value in spec.items() if key not in ELSEWHERE}


def _of_variant(run: RunPaths, name: str) -> dict[str, JsonValue]:
    from ptychopinn_batch.speclang.file import load_spec
    from ptychopinn_batch.speclang.variants import expand

    for variant in expand(load_spec(run.resolved)):
        if variant.name == name:
            found: dict[str, JsonValue] = variant.spec.model_dump(mode="json")
            return found
    raise _useless(run, f"there is no variant '{name}' in this spec")


def _useless(run: RunPaths, what: str) -> StateError:
    mend = "Submit the run again, and it is written anew"
    return StateError(what, where=str(run.resolved), mend=mend)


def differing(a: JsonValue, b: JsonValue, key: str = "") -> Iterator[Setting]:
    """Each leaf that differs. Members of a list that have names are told by these. Pure."""
    if isinstance(a, list) and isinstance(b, list):
        first, second = _by_name(a), _by_name(b)
        if first is not None and second is not None:
            a, b = first, second
    if isinstance(a, dict) and isinstance(b, dict):
        for name in dict.fromkeys((*a, *b)):
            yield from differing(a.get(name), b.get(name), f"{key}.{name}" if key else name)
    elif a != b:
        yield Setting(key=key, a=a, b=b)


def _by_name(values: list[JsonValue]) -> dict[str, JsonValue] | None:
    """The members of a list by their names, if each has one of its own."""
    names = [value.get("name") if isinstance(value, dict) else None for value in values]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    return {str(name): value for name, value in zip(names, values, strict=True)}
