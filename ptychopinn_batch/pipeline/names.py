"""What tasks are called: shared ones after the keys of a sweep that reach them, and no others."""

from __future__ import annotations

from collections.abc import Sequence

from ptychopinn_batch.inputs.facts import Facts
from ptychopinn_batch.pipeline.content import TILING
from ptychopinn_batch.speclang.variants import ONLY_VARIANT, Variant, point_name
from ptychopinn_batch.stages.params import InputIdentity, ScanContent

TRAINING_SECTIONS = ("seed", "scans", "model", "train")
"""Sections of a spec that reach a training."""

REFINEMENT_SECTIONS = (
    *TRAINING_SECTIONS,
    "refine",
    "infer.precision",
    *(f"infer.{key}" for key in TILING),
)
"""Sections and keys of a spec that reach a refinement."""


def changing_scans(variants: Sequence[Variant], facts: Facts) -> frozenset[str]:
    """Names of scans that are not the same in all variants."""
    contents: dict[str, set[tuple[ScanContent, InputIdentity | None]]] = {}
    for scan in dict.fromkeys(scan for variant in variants for scan in variant.spec.scans):
        content = ScanContent.of(scan), facts.scans[scan].identity
        contents.setdefault(str(scan.name), set()).add(content)
    return frozenset(name for name, different in contents.items() if len(different) > 1)


def label(variant: Variant, sections: Sequence[str]) -> str:
    """The part of a variant's name that comes from these sections and keys of the spec."""
    reach = {k: any(_overlap(k, section) for section in sections) for k in variant.overrides}
    point = {k: v for k, v in variant.overrides.items() if reach[k]}
    return point_name(point) if point else ONLY_VARIANT


def _overlap(key: str, other: str) -> bool:
    """Whether one of two dotted keys is the other, or holds it."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")
