"""The JSON Schema (draft 2020-12) of the job spec, and a map from dotted keys to its nodes.

Error messages, the reference page and editors all read their facts here, and this page takes them
from the models in `jobspec`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

from ptychopinn_batch.jobspec import InferLimits, JobSpec, StageLimits, TrainLimits
from ptychopinn_batch.speclang.yamltree import KeyPath

Node = dict[str, Any]

SWEEPABLE = ("seed", "scans", "model", "train", "infer")
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
    for limits in (StageLimits, TrainLimits, InferLimits):  # pydantic writes durations as PT4H
        time = limits().model_dump(mode="json")["time"]
        definitions[limits.__name__]["properties"]["time"]["default"] = time
    leaves = dict(_leaves(schema, schema, ""))
    definitions["Sweep"] = _sweep_schema(definitions["Sweep"], leaves)
    schema["properties"]["profiles"]["additionalProperties"]["properties"] = leaves
    return schema


def _sweep_schema(plain: Node, leaves: dict[str, Node]) -> Node:
    """A sweep in its three forms, or as a bare product."""
    keys = {key: node for key, node in leaves.items() if key.split(".")[0] in SWEEPABLE}
    names = {"anyOf": [{"enum": list(keys)}, {"pattern": rf"^({'|'.join(SWEEPABLE)})(\.|$)"}]}
    axes = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": names,
        "properties": {
            key: {"type": "array", "minItems": 1, "items": node} for key, node in keys.items()
        },
        "additionalProperties": {"type": "array", "minItems": 1},
    }
    point = {"type": "object", "minProperties": 1, "propertyNames": names, "properties": keys}
    forms = {
        "product": axes,
        "zip": axes,
        "list": {"type": "array", "minItems": 1, "items": point},
    }
    described = {
        form: {**node, "description": plain["properties"][form]["description"]}
        for form, node in forms.items()
    }
    return {
        "description": plain["description"],
        "oneOf": [
            {
                "type": "object",
                "properties": {**{other: {"type": "null"} for other in forms}, form: node},
                "required": [form],
                "additionalProperties": False,
            }
            for form, node in described.items()
        ]
        + [axes],
    }


def _leaves(schema: Node, node: Node, prefix: str) -> Iterator[tuple[str, Node]]:
    """Every dotted key below a node that holds a value; the list of scans stands for its first."""
    for name, raw in _followed(schema, node).get("properties", {}).items():
        key = f"{prefix}{name}"
        child = _followed(schema, raw)
        if "items" in child and "properties" in (item := _followed(schema, child["items"])):
            yield from _leaves(schema, item, f"{key}.0.")
        elif "properties" in child and name != "sweep":
            yield from _leaves(schema, child, f"{key}.")
        elif name not in ("sweep", "profiles"):
            yield key, raw


def _followed(schema: Node, node: Node) -> Node:
    """A node with its reference, or the only choice beside null, put in its place."""
    if "$ref" in node:
        target = schema["$defs"][node["$ref"].rpartition("/")[2]]
        merged = {**target, **node, "about": target.get("description", "")}
        return _followed(schema, {key: merged[key] for key in merged if key != "$ref"})
    choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) == 1:
        outer = {key: value for key, value in node.items() if key != "anyOf"}
        return _followed(schema, {**choices[0], **outer, "nullable": len(node["anyOf"]) > 1})
    return node


@cache
def known_keys() -> dict[str, Node]:
    """Every dotted key that holds a value, in the order of the language."""
    return dict(_leaves(_schema(), _schema(), ""))


def node_at(path: KeyPath) -> Node | None:
    """What the language says about one key; None where it knows no such key.

    References are followed: `about` is then what is said of the section, `description` of the
    key that holds it, and a key that may be null carries `nullable`.
    """
    schema = _schema()
    node = _followed(schema, schema)
    for part in path:
        child = _child(node, part)
        if child is None:
            return None
        node = _followed(schema, child)
    return node


def _child(node: Node, part: str | int) -> Node | None:
    for choice in node.get("oneOf", []) if "properties" not in node else []:
        if part in choice["properties"] and choice["properties"][part] != {"type": "null"}:
            return dict(choice["properties"][part])
    if isinstance(part, int):
        items = node.get("prefixItems", [])
        found = items[part] if part < len(items) else node.get("items")
    else:
        found = node.get("properties", {}).get(part, node.get("additionalProperties"))
    return found if isinstance(found, dict) else None


def siblings(path: KeyPath) -> list[str]:
    """The known keys of the mapping that holds this key."""
    return list((node_at(path[:-1]) or {}).get("properties", {}))
