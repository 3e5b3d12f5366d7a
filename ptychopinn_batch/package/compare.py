"""What tells two packages apart: fields of their manifests, and their weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from ptychopinn_batch.package.folder import read_manifest
from ptychopinn_batch.package.manifest import WEIGHTS
from ptychopinn_batch.package.weights import Weights, read_weights


@dataclass(frozen=True)
class Difference:
    """A field that is not the same in both, by its dotted name; None where absent."""

    name: str
    first: JsonValue
    second: JsonValue


@dataclass(frozen=True)
class Distance:
    """A tensor that is not the same in both: its largest value, and the largest difference."""

    name: str
    largest: float
    distance: float


@dataclass(frozen=True)
class Comparison:
    """Two packages. `same`: they give the same results, whatever else tells them apart."""

    same: bool
    fields: tuple[Difference, ...]
    tensors: tuple[Distance, ...]


def compare_packages(first: Path, second: Path) -> Comparison:
    """Compare two packages, each of which is checked to the byte before."""
    manifests = [read_manifest(folder) for folder in (first, second)]
    a, b = (dict(_flat("", m.model_dump(mode="json", exclude={"digest"}))) for m in manifests)
    fields = tuple(_different(a, b))
    same = manifests[0].identity == manifests[1].identity
    if manifests[0].files[WEIGHTS] == manifests[1].files[WEIGHTS]:
        return Comparison(same, fields, ())
    weights = (read_weights(folder / WEIGHTS) for folder in (first, second))
    return Comparison(same, fields, tuple(_distances(*weights)))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else key, item)
    else:
        yield prefix, value


def _different(a: dict[str, JsonValue], b: dict[str, JsonValue]) -> Iterator[Difference]:
    for name in (*a, *(name for name in b if name not in a)):
        if a.get(name) != b.get(name):
            yield Difference(name, a.get(name), b.get(name))


def _distances(a: Weights, b: Weights) -> Iterator[Distance]:
    """Of tensors that are in both and of one shape; the settings tell the others apart."""
    for name in sorted(a.keys() & b.keys()):
        if a[name].shape == b[name].shape:
            distance = float((a[name].double() - b[name].double()).abs().max())
            if distance:
                yield Distance(name, float(a[name].double().abs().max()), distance)
