"""The JSON Schema (draft 2020-12) of the job spec, made from the models in `jobspec`."""

from __future__ import annotations

import copy
from functools import cache

from ptychopinn_batch.jobspec import JobSpec, StageResources
from ptychopinn_batch.speclang.language import Language, Node
from ptychopinn_batch.speclang.yamltree import KeyPath

__all__ = ["SWEEPABLE", "Node", "known_keys", "node_at", "spec_language", "spec_schema"]

FOREIGN = ("sweep", "profiles")

SWEEPABLE = ("seed", "scans", "model", "train", "refine", "infer")
"""Sections whose keys a sweep may vary: those that decide a result."""


def spec_schema() -> Node:
    """The schema for editors, every form of a sweep included."""
    return copy.deepcopy(_schema())


@cache
def _schema() -> Node:
    schema = JobSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "ptychopinn-batch job spec, version 1"
    definitions = schema["$defs"]
    definitions["Scan"]["oneOf"] = [
        {"required": ["path"], "properties": {"path": {"type": "string"}}},
        {"required": ["simulate"], "properties": {"simulate": {"type": "object"}}},
    ]
    for _, limits in StageResources():  # pydantic writes durations as PT4H
        time = limits.model_dump(mode="json")["time"]
        definitions[type(limits).__name__]["properties"]["time"]["default"] = time
    leaves = Language(schema, FOREIGN).known_keys
    definitions["Sweep"] = _sweep_schema(definitions["Sweep"], leaves)
    schema["properties"]["profiles"]["additionalProperties"]["properties"] = leaves
    return schema


def _sweep_schema(plain: Node, leaves: dict[str, Node]) -> Node:
    """A sweep in its three forms, or as a bare product."""
    keys = {key: node for key, node in leaves.items() if key.split(".")[0] in SWEEPABLE}
    axes = _mapping({key: _list_of(node) for key, node in keys.items()})
    axes["additionalProperties"] = _list_of({})
    forms = {"product": axes, "zip": axes, "list": _list_of(_mapping(keys))}
    for form, node in forms.items():
        forms[form] = {**node, "description": plain["properties"][form].get("description", "")}
    return {
        "description": plain.get("description", ""),
        "oneOf": [*(_one_form(forms, form) for form in forms), axes],
    }


def _mapping(keys: dict[str, Node]) -> Node:
    """Values under keys that a sweep may vary; those of mappings without keys of their own, too."""
    names = {"anyOf": [{"enum": list(keys)}, {"pattern": rf"^({'|'.join(SWEEPABLE)})(\.|$)"}]}
    return {"type": "object", "minProperties": 1, "propertyNames": names, "properties": keys}


def _list_of(items: Node) -> Node:
    return {"type": "array", "minItems": 1, **({"items": items} if items else {})}


def _one_form(forms: dict[str, Node], form: str) -> Node:
    return {
        "type": "object",
        "properties": {**{other: {"type": "null"} for other in forms}, form: forms[form]},
        "required": [form],
        "additionalProperties": False,
    }


@cache
def spec_language() -> Language:
    """The keys of job specs. A sweep and a profile hold keys of other sections."""
    return Language(_schema(), FOREIGN)


def known_keys() -> dict[str, Node]:
    """Every dotted key of a job spec that holds a value, in the order of the language."""
    return spec_language().known_keys


def node_at(path: KeyPath) -> Node | None:
    """What is said about one key of a job spec; None where there is no such key."""
    return spec_language().node_at(path)
