"""A job spec before it is checked: plain values, and where each of them was written.

Profiles, `--set` and the points of a sweep are overrides of such a document; a value that turns
out to be wrong is then blamed on the override that wrote it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hpc.errors import UserError
from ptychopinn_batch.jobspec import JobSpec
from ptychopinn_batch.speclang.complaints import Complaint, refuse
from ptychopinn_batch.speclang.expected import as_yaml, expected, mend, nearest, shown
from ptychopinn_batch.speclang.language import Language, Node
from ptychopinn_batch.speclang.schema import spec_language
from ptychopinn_batch.speclang.yamltree import KeyPath, parse_yaml

M = TypeVar("M", bound=BaseModel)

BEGIN = "Begin with version: 1, name: and scans:, or run `ptychopinn-batch init`"

ALTERNATIVES = {"path": "simulate", "simulate": "path"}
"""Keys of a scan of which only one can stand: an override of one takes the other's place."""


@dataclass(frozen=True)
class Origin:
    """Where a value was written; `key` is the dotted key that `text` already names."""

    text: str
    key: str | None = None
    line: int = 0

    def at(self, path: KeyPath) -> str:
        dotted = ".".join(map(str, path))
        if not dotted or dotted == self.key:
            return self.text
        return f"{self.text} {dotted}" if self.key is None else f"{self.text} ({dotted})"


@dataclass(frozen=True)
class Document:
    """The values of a spec, unchecked, and the origin of each."""

    source: str
    data: dict[str, Any]
    origins: Mapping[KeyPath, Origin]
    complaints: tuple[Complaint, ...] = ()

    @classmethod
    def read(cls, text: str, source: str, begin: str = BEGIN) -> Document:
        """The document of a YAML text; UserError where it holds no mapping."""
        tree = parse_yaml(text, source)
        if not isinstance(tree.data, dict):
            what = "the file is empty" if tree.data is None else "Expected keys and values"
            what += "" if tree.data is None else f", got {shown(tree.data)}"
            raise UserError(what, where=source, mend=begin)
        lines = tree.lines.items()
        origins = {path: Origin(f"{source}:{line}", line=line) for path, line in lines}
        return cls(source, tree.data, {**origins, (): Origin(source)}, tree.complaints)

    def origin(self, path: KeyPath) -> Origin:
        """Where a value was written, or its parent where it is missing."""
        lengths = range(len(path), -1, -1)
        return next(self.origins[path[:n]] for n in lengths if path[:n] in self.origins)

    def where(self, path: KeyPath) -> str:
        """Place and dotted key of a value, for messages."""
        return self.origin(path).at(path)

    def complaint(self, path: KeyPath, what: str, mend: str) -> Complaint:
        return Complaint(self.where(path), what, mend, self.origin(path).line)

    def with_value(self, key: str, value: Any, origin: str, line: int = 0) -> Document:
        """This document with the value of one dotted key replaced; `origin` names the key."""
        data, path = copy.deepcopy(self.data), key_path(key, origin)
        origins = {p: o for p, o in self.origins.items() if p[: len(path)] != path}
        holder: Any = data
        for depth, part in enumerate(path[:-1]):
            inner = _get(holder, part, path[:depth], origin)
            if inner is None:
                inner = [] if isinstance(path[depth + 1], int) else {}
                _put(holder, part, inner, path[:depth], origin)
                origins[path[: depth + 1]] = Origin(origin, key, line)
            holder = inner
        _put(holder, path[-1], value, path[:-1], origin)
        origins[path] = Origin(origin, key, line)
        if len(path) == 3 and path[0] == "scans":
            holder.pop(ALTERNATIVES.get(str(path[-1])), None)
        return replace(self, data=data, origins=origins)

    def complaining(self, complaints: Iterable[Complaint]) -> Document:
        """This document with more mistakes to be told when it is checked."""
        return replace(self, complaints=(*self.complaints, *complaints))

    def profile_names(self) -> tuple[str, ...]:
        profiles = self.data.get("profiles")
        return tuple(profiles) if isinstance(profiles, dict) else ()

    def profile(self, name: str) -> dict[str, Any]:
        """The dotted keys and values of a profile; UserError where there is none of that name."""
        if name not in self.profile_names():
            known = ", ".join(self.profile_names()) or "none"
            what = f"there is no profile '{name}'"
            raise UserError(what, where=self.where(("profiles",)), mend=f"Known here: {known}")
        profile = self.data["profiles"][name]
        return profile if isinstance(profile, dict) else {}

    def checked(self) -> JobSpec:
        """The spec. UserError with every mistake, each with its place and its mend."""
        return self.checked_as(JobSpec, spec_language())

    def checked_as(self, model: type[M], language: Language) -> M:
        """What the document says in another language. UserError with every mistake."""
        found, checked = list(self.complaints), None
        try:
            checked = model.model_validate(self.data)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            found += filter(None, (self._explained(one, language) for one in errors))
        refuse(self.source, found)
        assert checked is not None
        return checked

    def _explained(self, error: ErrorDetails, language: Language) -> Complaint | None:
        path = _in_data(error["loc"], self.data)
        context = error.get("ctx", {})
        match error["type"]:
            case "rule":
                path = (*path, *key_path(context["key"], "")) if context["key"] else path
                return self.complaint(path, context["what"], context["mend"])
            case "extra_forbidden":
                return self.complaint(path, "there is no such key", nearest(path, language))
            case "missing" if isinstance(key := error["loc"][-1], str):
                hint = f"Write {key}: {_example(language.node_at((*path, key)) or {})}"
                return self.complaint((*path, key), "this key is required", hint)
            case "too_short" if _value(self.data, path) not in ([], {}):
                return None  # pydantic counts valid entries only; the others have been named
        return self._unexpected(path, error["msg"], language.node_at(path))

    def _unexpected(self, path: KeyPath, message: str, node: Node | None) -> Complaint:
        value = _value(self.data, path)
        if node is None:
            return self.complaint(path, f"{message}, got {shown(value)}", "Remove the key")
        what = f"Expected {expected(node)}, got {shown(value)}"
        return self.complaint(path, what, mend(path, node, value))


def _example(node: Node) -> str:
    """A value for a key that must be there, or a word for it."""
    if "const" in node:
        return as_yaml(node["const"])
    return as_yaml(node["examples"][0]) if node.get("examples") else "a name"


def key_path(key: str, origin: str) -> KeyPath:
    """The parts of a dotted key. What follows `sweep.` is one key, with dots of its own."""
    parts = key.split(".")
    if "" in parts:
        raise UserError(f"Expected a dotted key, got '{key}'", where=origin, mend="Write a.b=value")
    if parts[0] == "sweep" and len(parts) > 1:
        forms = 2 if parts[1] in ("product", "zip", "list") and len(parts) > 2 else 1
        parts = [*parts[:forms], ".".join(parts[forms:])]
    return tuple(int(part) if re.fullmatch(r"\d{1,9}", part) else part for part in parts)


def _get(holder: Any, part: str | int, path: KeyPath, origin: str) -> Any:
    if isinstance(holder, dict):
        return holder.get(str(part))
    if isinstance(holder, list) and isinstance(part, int) and part <= len(holder):
        return holder[part] if part < len(holder) else None
    raise _no_place(holder, part, path, origin)


def _put(holder: Any, part: str | int, value: Any, path: KeyPath, origin: str) -> None:
    if isinstance(holder, dict):
        holder[str(part)] = value
    elif isinstance(holder, list) and isinstance(part, int) and part < len(holder):
        holder[part] = value
    elif isinstance(holder, list) and part == len(holder):
        holder.append(value)
    else:
        raise _no_place(holder, part, path, origin)


def _no_place(holder: Any, part: str | int, path: KeyPath, origin: str) -> UserError:
    dotted = ".".join(map(str, path))
    if isinstance(holder, list):
        what = f"{dotted} has no entry {part}: it is a list of {len(holder)}, counted from 0"
        hint = f"Write a number up to {len(holder)}"
    else:
        what, hint = f"{dotted} is {shown(holder)}, it has no key {part}", f"Set {dotted} itself"
    return UserError(what, where=origin, mend=hint)


def _value(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _in_data(loc: tuple[str | int, ...], data: Any) -> KeyPath:
    """The part of pydantic's location that names keys of the file, not branches of unions."""
    path: list[str | int] = []
    for part in loc:
        here = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if here or (isinstance(data, dict) and part in data):
            path.append(part)
            data = data[part]
    return tuple(path)


def parse_set(text: str) -> tuple[str, Any]:
    """Key and value of `--set key=value`; the value is YAML."""
    key, equals, value = text.partition("=")
    where = f"--set {text}"
    if not equals or not key.strip():
        raise UserError("Expected key=value", where=where, mend="Write, say, train.epochs=3")
    try:
        tree = parse_yaml(value, where)
    except UserError as error:
        raise UserError(error.what, where=where, mend=error.mend) from None
    refuse(where, tree.complaints)
    return key.strip(), tree.data
