"""What a key expects, in words, and what its user most likely meant to write."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from typing import Any

from hpc.errors import UserError
from ptychopinn_batch.speclang.language import Language, Node
from ptychopinn_batch.speclang.yamltree import KeyPath, parse_yaml

TYPO = 0.8  # likeness (difflib) of a key to what was meant, where it was meant for sure
_BOOLEAN_WORDS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}
_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "array": (list,),
}


def expected(node: Node) -> str:
    """A noun phrase for the values a key takes."""
    if node.get("nullable"):
        return f"{expected({**node, 'nullable': False})}, or null"
    if "anyOf" in node:
        return " or ".join(map(expected, node["anyOf"]))
    if "oneOf" in node and "properties" not in node:
        return "a mapping of keys to lists of values"
    if options := _options(node):
        *others, last = map(as_yaml, options)
        return f"{', '.join(others)} or {last}" if others else last
    return _by_type(node)


def _by_type(node: Node) -> str:
    match node.get("type"):
        case "integer":
            return f"{_integer(node)}{_limits(node)}"
        case "number":
            return f"a number{_limits(node)}"
        case "boolean":
            return "true or false"
        case "string":
            return str(node.get("patternErrorMessage", "text"))
        case "array":
            return _list(node)
        case "null":
            return "null"
        case _:
            return "a mapping of keys"


def _integer(node: Node) -> str:
    factor = node.get("multipleOf")
    if factor is None:
        return "an integer"
    return "an even integer" if factor == 2 else f"a multiple of {factor}"


def _limits(node: Node) -> str:
    if "minimum" in node and "maximum" in node:
        return f" from {node['minimum']:.10g} to {node['maximum']:.10g}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "up to",
        "exclusiveMaximum": "below",
    }
    parts = [f" {word} {node[key]:.10g}" for key, word in words.items() if key in node]
    return " and".join(parts)


def _list(node: Node) -> str:
    if "prefixItems" in node:
        return f"a list of {len(node['prefixItems'])}, each {expected(node['prefixItems'][0])}"
    items = node.get("items", {})
    if "$ref" in items or "properties" in items:
        return "a list of mappings, each begun with '-'"
    least = " with at least one value" if node.get("minItems") else ""
    return f"a list{least}" + (f", each {expected(items)}" if items.get("type") else "")


def _options(node: Node) -> list[Any]:
    return list(node.get("enum", [node["const"]] if "const" in node else []))


def shown(value: Any) -> str:
    """A value as an error names it."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping" if value else "an empty mapping"
        case list():
            return _clipped(as_yaml(value)) if value else "an empty list"
        case str():
            return f"the text {_clipped(json.dumps(value, ensure_ascii=False))}"
    return _clipped(as_yaml(value))


def _clipped(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def as_yaml(value: Any) -> str:
    """A value in the one-line form a spec would hold it in; text is quoted where it must be."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and read_value(text) != text:
        return json.dumps(text, ensure_ascii=False)
    return text


def read_value(text: str) -> Any:
    """What YAML makes of a short text; None where it is not YAML."""
    try:
        return parse_yaml(text, "").data
    except UserError:
        return None


def mend(path: KeyPath, node: Node, value: Any) -> str:
    """What to write at a key in place of `value`."""
    name = "" if isinstance(path[-1], int) else f"{path[-1]}: "
    meant = next((one for one in _candidates(node, value) if _fits(node, one)), None)
    if meant is not None:
        return f"Write {name}{as_yaml(meant)}"
    if node.get("type") == "object" or "oneOf" in node:
        return "Write its keys below it, indented, or remove the key"
    if node.get("type") == "array" and isinstance(value, dict):
        return "Begin each mapping with '- '"
    default = node.get("default")
    if default not in (None, [], value):
        return f"Write, for example, {name}{as_yaml(default)} (the default)"
    if node.get("examples"):
        return f"Write, for example, {name}{as_yaml(node['examples'][0])}"
    return "Write at least one" if value == [] else "Remove the key"


def _candidates(node: Node, value: Any) -> Iterator[Any]:
    """What the user may have meant, the likeliest first."""
    options = _all_options(node)
    if isinstance(value, str):
        words = {option.lower(): option for option in options if isinstance(option, str)}
        yield from map(words.get, difflib.get_close_matches(value.lower(), words, n=1))
        yield read_value(value)
        yield _BOOLEAN_WORDS.get(value.lower())
        yield re.sub(r"[^\w.-]+", "_", value).strip("_.-")
    elif isinstance(value, int | float):
        yield str(value)
        yield from _near_integers(value, node.get("multipleOf"))
    if not isinstance(value, list | dict):
        yield [value]
    if len(options) == 1:
        yield options[0]


def _near_integers(value: float, factor: int | None) -> Iterator[int]:
    if value == value // 1:
        yield int(value)
    if factor and abs(value) < 1e12:
        yield max(1, round(value / factor)) * factor


def _all_options(node: Node) -> list[Any]:
    return _options(node) + [one for choice in node.get("anyOf", []) for one in _options(choice)]


def _fits(node: Node, value: Any) -> bool:
    """Whether a candidate is valid: the subset of JSON Schema that the spec uses."""
    if "anyOf" in node:
        return any(_fits(choice, value) for choice in node["anyOf"])
    if options := _options(node):
        return value in options
    types = _TYPES.get(node.get("type", ""), ())
    if not isinstance(value, types) or isinstance(value, bool) != (bool in types):
        return False
    if isinstance(value, list):
        return "prefixItems" not in node and all(_fits(node.get("items", {}), v) for v in value)
    if isinstance(value, str):
        return re.search(node.get("pattern", ""), value) is not None
    return isinstance(value, int | float) and _in_range(node, value)


def _in_range(node: Node, value: float) -> bool:
    return (
        value >= node.get("minimum", value)
        and value <= node.get("maximum", value)
        and not value <= node.get("exclusiveMinimum", value - 1)
        and not value >= node.get("exclusiveMaximum", value + 1)
        and ("multipleOf" not in node or value % node["multipleOf"] == 0)
    )


def _highest(keys: list[str]) -> list[str]:
    """Those of the keys that lie least deep: train.lr rather than train.stages.0.lr."""
    depth = min((key.count(".") for key in keys), default=0)
    return [key for key in keys if key.count(".") == depth]


def nearest(path: KeyPath, language: Language) -> str:
    """The mend for an unknown key: the known key it was meant to be, or those that exist."""
    if path[0] == "sweep" and len(path) > 1:
        return "Write it below product, zip or list, one of which is here"
    name, known = str(path[-1]), language.siblings(path)
    if typo := difflib.get_close_matches(name, known, n=1, cutoff=TYPO):
        return f"Did you mean '{typo[0]}'?"
    elsewhere = _highest([key for key in language.known_keys if key.split(".")[-1] == name])
    if len(elsewhere) == 1:
        return f"It belongs to {elsewhere[0].rpartition('.')[0] or 'the top level'}"
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    others = {key.split(".")[-1]: key for key in language.known_keys}
    close = difflib.get_close_matches(name, others, n=1, cutoff=TYPO)
    if close:
        return f"Did you mean '{others[close[0]]}'?"
    return f"Known keys here: {', '.join(known)}" if known else "Remove it"
