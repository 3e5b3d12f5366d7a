"""YAML text as plain values, with the line of every one of them.

Read by the core rules of YAML 1.2, which hold fewer surprises than PyYAML's own 1.1: `1e-3` is a
number, `yes`, `on` and `04:00:00` are text. Nothing but plain values is ever built.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from hpc.errors import UserError
from ptychopinn_batch.speclang.complaints import Complaint

KeyPath = tuple[str | int, ...]
MOST_VALUES = 100_000  # aliases of aliases could make a small file grow without bound


class _Loader(yaml.SafeLoader):
    """Plain values only, resolved by the rules below."""


_Loader.yaml_implicit_resolvers = {}
_NUMBER = "-+.0123456789"
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]{1,300}$", list(_NUMBER)),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list(_NUMBER)),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list(_NUMBER)),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def _float(text: str) -> float:
    special = text.lower().lstrip("+-")
    if special in (".inf", ".nan"):
        return math.copysign(float(special[1:]), -1 if text[0] == "-" else 1)
    return float(text)


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": _float,
    "str": str,
    "merge": str,
}


@dataclass(frozen=True)
class Tree:
    """Plain values, the line (from 1) of each, and what was wrong with the keys on the way."""

    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    complaints: tuple[Complaint, ...] = ()


def parse_yaml(text: str, source: str) -> Tree:
    """One YAML document. UserError with file and line where it is not YAML."""
    try:
        return _Builder(source).build(text)
    except UserError:
        raise
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, source) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        what = f"a character that YAML does not allow (U+{ord(text[error.position]):04X})"
        raise UserError(what, where=f"{source}:{line}", mend="Remove it") from None
    except RecursionError:
        raise UserError("nested too deeply", where=source, mend="Write it flatter") from None
    except (OverflowError, ValueError):  # of escapes such as "\UFFFFFFFF" or "\ud800"
        what, mend = "an escape in quotes that stands for no character", "Remove it"
        raise UserError(what, where=source, mend=mend) from None


def _syntax_error(error: yaml.MarkedYAMLError, text: str, source: str) -> UserError:
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else 0
    what = f"not readable as YAML: {error.problem or error.context}"
    mend = "Check colons, brackets, quotes and indentation here and in the line before"
    if error.context_mark and error.context_mark.line < number:
        what += f" ({error.context}, begun in line {error.context_mark.line + 1})"
    line = "".join(text.splitlines()[number : number + 1])
    if "\t" in line[: len(line) - len(line.lstrip())]:
        what, mend = "a tab in the indentation", "Indent with spaces"
    elif "\t" in line:
        what, mend = "a tab where YAML wants a space", "Write spaces"
    return UserError(what, where=f"{source}:{number + 1}", mend=mend)


class _Builder:
    """Walks the nodes of one document."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[KeyPath, int] = {}
        self.complaints: list[Complaint] = []
        self.values = 0

    def build(self, text: str) -> Tree:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            data = None if node is None else self._value(loader, node, ())
        finally:
            loader.dispose()
        return Tree(data, self.lines, tuple(self.complaints))

    def _value(self, loader: _Loader, node: yaml.Node, path: KeyPath) -> Any:
        self.values += 1
        if self.values > MOST_VALUES or len(path) > 50:
            what = "too many values, or nested too deeply"
            raise UserError(what, where=self._at(node), mend="Write it without aliases (&, *)")
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return {
                key: self._value(loader, child, (*path, key))
                for key, child in self._items(loader, node, path)
            }
        if isinstance(node, yaml.SequenceNode):
            return [self._value(loader, v, (*path, i)) for i, v in enumerate(node.value)]
        return self._scalar(node)

    def _items(
        self, loader: _Loader, node: yaml.MappingNode, path: KeyPath
    ) -> Iterator[tuple[str, yaml.Node]]:
        self._check_keys(node, path)
        loader.flatten_mapping(node)
        for key, child in node.value:
            if isinstance(key, yaml.ScalarNode):
                _check_characters(key.value)
                self.lines[(*path, key.value)] = key.start_mark.line + 1
                yield key.value, child

    def _check_keys(self, node: yaml.MappingNode, path: KeyPath) -> None:
        first: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._complain(key, path, "a key that is not text", "Write a plain word")
            elif key.value in first:
                what = f"the key stands twice (first in line {first[key.value]})"
                self._complain(key, (*path, key.value), what, "Remove one")
            else:
                first[key.value] = key.start_mark.line + 1

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind not in _SCALARS:
            where = self._at(node)
            raise UserError(f"the tag {node.tag} is not allowed", where=where, mend="Remove it")
        _check_characters(node.value)
        try:
            return _SCALARS[kind](node.value)
        except ValueError:  # an explicit tag on another kind of text: `!!int x`
            return str(node.value)

    def _complain(self, node: yaml.Node, path: KeyPath, what: str, mend: str) -> None:
        dotted = ".".join(map(str, path))
        where, line = f"{self._at(node)} {dotted}".strip(), node.start_mark.line + 1
        self.complaints.append(Complaint(where, what, mend, line))

    def _at(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}"


def _check_characters(text: str) -> None:
    """Raise ValueError for what is no text in files and names: lone surrogates, NUL."""
    if "\0" in text:
        raise ValueError("NUL")
    text.encode()
