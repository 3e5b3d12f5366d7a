"""Variants: the points of a sweep, each a spec of its own under a stable name.

A name depends on its point alone, so that adding points to a sweep renames no results.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from hpc.errors import UserError
from ptychopinn_batch.jobspec import JobSpec, Section, Sweep
from ptychopinn_batch.speclang.complaints import Complaint, complaints_of, refuse
from ptychopinn_batch.speclang.document import Document, Origin
from ptychopinn_batch.speclang.file import LoadedSpec
from ptychopinn_batch.speclang.schema import SWEEPABLE
from ptychopinn_batch.speclang.sources import resolved
from ptychopinn_batch.speclang.yamltree import KeyPath

Point = Mapping[str, JsonValue]

ONLY_VARIANT = "default"
MOST_POINTS = 20_000  # of a product
LONGEST_NAME = 100
"""Characters: file systems allow 255, and names of scans and tiles are added to it."""


class Variant(Section):
    """One point of a sweep. `spec` holds its values; its own `sweep` and `profiles` are empty."""

    name: str
    overrides: dict[str, JsonValue]
    spec: JobSpec


def expand(loaded: LoadedSpec) -> tuple[Variant, ...]:
    """Every variant of a spec, in the order of its sweep; one, `default`, where there is none.

    UserError with all mistakes of all points, each blamed on its line of the sweep.
    """
    if loaded.spec.sweep is None:
        return (_variant(ONLY_VARIANT, {}, loaded.spec),)
    _refuse_too_many(loaded.spec.sweep, loaded.document)
    variants: list[Variant] = []
    mistakes: list[Complaint] = []
    for number, point in enumerate(points(loaded.spec.sweep)):
        try:
            spec = _sharing_scans(_spec_at(point, number, loaded), loaded.spec)
            variants.append(_variant(point_name(point), point, spec))
        except UserError as error:
            mistakes += complaints_of(error)
    refuse(loaded.document.source, mistakes)
    _refuse_doubles(variants, loaded.document)
    return tuple(variants)


def _refuse_too_many(sweep: Sweep, document: Document) -> None:
    count = math.prod(map(len, sweep.product.values())) if sweep.product else 0
    if count > MOST_POINTS:
        what, mend = f"{count:,} combinations", f"Write at most {MOST_POINTS:,}, as a list or zip"
        refuse(document.source, [document.complaint(("sweep",), what, mend)])


def points(sweep: Sweep) -> Iterator[Point]:
    """The overrides of every variant. In a product the last key changes fastest."""
    if sweep.list is not None:
        yield from sweep.list
    elif sweep.zip is not None:
        for values in zip(*sweep.zip.values(), strict=True):
            yield dict(zip(sweep.zip, values, strict=True))
    elif sweep.product is not None:
        for values in itertools.product(*sweep.product.values()):
            yield dict(zip(sweep.product, values, strict=True))


def point_name(point: Point) -> str:
    """A name of letters, digits and `._=,+-`, such as `infer.steps=8,train.lr=0.002`.

    The order of keys does not matter. Where a value holds other characters or the name grows
    long, a hash of the point follows.
    """
    full = ",".join(f"{key}={_plain(value)}" for key, value in sorted(point.items()))
    safe = re.sub(r"[^A-Za-z0-9._=,+-]+", "_", full)
    separators = any(isinstance(value, str) and set(value) & set("=,+") for value in point.values())
    if safe == full and len(full) <= LONGEST_NAME and not separators:
        return full
    digest = hashlib.sha256(json.dumps(point, sort_keys=True).encode()).hexdigest()[:8]
    return f"{safe[: LONGEST_NAME - 9]}-{digest}"


def _plain(value: JsonValue) -> str:
    if isinstance(value, list) and all(isinstance(one, int | float) for one in value):
        return "+".join(map(json.dumps, value))
    return value if isinstance(value, str) else json.dumps(value)


def _variant(name: str, point: Point, spec: JobSpec) -> Variant:
    alone = spec.model_copy(update={"sweep": None, "profiles": {}})
    return Variant(name=name, overrides=dict(point), spec=alone)


def _spec_at(point: Point, number: int, loaded: LoadedSpec) -> JobSpec:
    document = loaded.document
    for key, value in sorted(point.items()):  # `train` before `train.lr`
        origin = _origin(document, key, number)
        where = f"{origin.text} sweep {key}={_plain(value)}"
        if key.split(".")[0] not in SWEEPABLE:
            what = f"'{key}' cannot be swept"
            mend = f"A key begins with {', '.join(SWEEPABLE[:-1])} or {SWEEPABLE[-1]}"
            refuse(document.source, [Complaint(where, what, mend, origin.line)])
        document = document.with_value(key, value, where, origin.line)
    return resolved(document.checked(), document, loaded.folders)


def _sharing_scans(spec: JobSpec, base: JobSpec) -> JobSpec:
    """With the very scans of another spec, where they are equal: they are looked up often."""
    return spec.model_copy(update={"scans": base.scans}) if spec.scans == base.scans else spec


def _origin(document: Document, key: str, number: int) -> Origin:
    """Where a key of a sweep was written."""
    forms: tuple[KeyPath, ...] = (("list", number, key), ("zip", key), ("product", key), (key,))
    known = (p for form in forms if (p := ("sweep", *form)) in document.origins)
    return document.origin(next(known, ("sweep",)))


def _refuse_doubles(variants: list[Variant], document: Document) -> None:
    seen: dict[str, Variant] = {}
    for variant in variants:
        content = variant.spec.model_dump_json()
        if content in seen:
            what = f"two points are the same: {seen[content].name} and {variant.name}"
            raise UserError(what, where=document.where(("sweep",)), mend="Remove one")
        seen[content] = variant
