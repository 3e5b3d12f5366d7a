"""What keys a kind of file may hold, from the JSON Schema of its model: a map from keys to nodes.

Error messages and reference pages read their facts here, and the schema takes them from the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ptychopinn_batch.speclang.yamltree import KeyPath

Node = dict[str, Any]

ANY_NAME = "NAME"
"""Stands in dotted keys for a name that its user chooses."""


@dataclass(frozen=True)
class Language:
    """The keys of one kind of file. What stands below a key in `foreign` are keys of elsewhere."""

    schema: Node
    foreign: tuple[str, ...] = ()

    @cached_property
    def known_keys(self) -> dict[str, Node]:
        """Every dotted key that holds a value, in the order of the language."""
        return dict(self._leaves(self.schema, ""))

    def node_at(self, path: KeyPath) -> Node | None:
        """What the language says about one key; None where it knows no such key.

        References are followed: `about` is then what is said of the section, `description` of the
        key that holds it, and a key that may be null carries `nullable`.
        """
        node = self._followed(self.schema)
        for part in path:
            child = _child(node, part)
            if child is None:
                return None
            node = self._followed(child)
        return node

    def siblings(self, path: KeyPath) -> list[str]:
        """The known keys of the mapping that holds this key."""
        return list((self.node_at(path[:-1]) or {}).get("properties", {}))

    def _leaves(self, node: Node, prefix: str) -> Iterator[tuple[str, Node]]:
        """Every dotted key below a node that holds a value; a list stands for its first entry."""
        for name, raw in self._followed(node).get("properties", {}).items():
            if name in self.foreign:
                continue
            inner, key = self._entry(raw, f"{prefix}{name}")
            if "properties" in inner:
                yield from self._leaves(inner, f"{key}.")
            else:
                yield key, raw

    def _entry(self, raw: Node, key: str) -> tuple[Node, str]:
        """The mapping that a key holds, alone, in a list or under a name; or the key itself."""
        node = self._followed(raw)
        for word, part in (("items", "0"), ("additionalProperties", ANY_NAME)):
            child = node.get(word)
            if isinstance(child, dict) and "properties" in (entry := self._followed(child)):
                return entry, f"{key}.{part}"
        return node, key

    def _followed(self, node: Node) -> Node:
        """A node with its reference, or the only choice beside null, put in its place."""
        if "$ref" in node:
            target = self.schema["$defs"][node["$ref"].rpartition("/")[2]]
            merged = {**target, **node, "about": target.get("description", "")}
            return self._followed({key: merged[key] for key in merged if key != "$ref"})
        choices = [choice for choice in node.get("anyOf", []) if choice.get("type") != "null"]
        if len(choices) == 1:
            outer = {key: value for key, value in node.items() if key != "anyOf"}
            return self._followed({**choices[0], **outer, "nullable": len(node["anyOf"]) > 1})
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
