"""The table of all messages that the program refuses something with, read from its code.

    python -m tests.errors.table > docs/errors.md

What a message fills in is shown as …. A message counts as tested where a text in a test has the
longest run of its words that is always the same, as it must to have produced it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Message", "messages", "page", "untested"]

ROOT = Path(__file__).parents[2]
PACKAGES = ("hpc", "ptychopinn_batch")
RAISED = {"UserError", "StateError", "LockedError", "SlurmError", "ClickException", "UsageError",
          "BadParameter"}  # fmt: skip
TOLD = {"Complaint": 1, "complaint": 1, "wrong": 1, "_wrong": 0}  # and the number of `what`
FILLED = "…"
HEAD = """\
# Errors

Every message with which the program refuses something, and what to do about it. … stands for what
the message fills in. Before it stands the place: a file, a line, a key, a run. All of these end a
command with exit code 2 and without a traceback; a task that meets one fails with it as its cause.
(Made from the code by `python -m tests.errors.table`; a test keeps it so.)

Of values in job specs and profiles it is said besides what was expected: see
[jobspec.md](jobspec.md) and [cluster.md](cluster.md).
"""


@dataclass(frozen=True, order=True)
class Message:
    """What is said, what to do about it, and the module that says it."""

    module: str
    what: str
    mend: str

    @property
    def literal(self) -> str:
        """The longest run of words that is always the same."""
        parts = (part.strip(" '\"(),.:;") for part in self.what.split(FILLED))
        return max(parts, key=len)


@cache
def messages() -> tuple[Message, ...]:
    """All of them, by module, in alphabetical order."""
    files = (path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py")))
    return tuple(sorted({message for path in files for message in _messages_of(path)}))


def page() -> str:
    """The text of docs/errors.md."""
    lines = [HEAD]
    for module in sorted({message.module for message in messages()}):
        lines += [f"## {module}", "", "| message | what to do |", "|---|---|"]
        own = (message for message in messages() if message.module == module)
        lines += [f"| {_cell(message.what)} | {_cell(message.mend)} |" for message in own]
        lines.append("")
    return "\n".join(lines)


def untested() -> list[Message]:
    """Those whose words stand in no text of a test."""
    folders = (path for path in (ROOT / "tests").iterdir() if path.name != "errors")
    files = (path for folder in folders for path in folder.rglob("*.py"))
    said = "\n".join({_words(text) for path in files for text in _texts_in(path)})
    return [message for message in messages() if _words(message.literal) not in said]


def _texts_in(path: Path) -> Iterator[str]:
    """What a test compares with: its texts, docstrings left out."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in alone:
            yield _text(node)


def _words(text: str) -> str:
    """Words alone: tests have patterns and quotes."""
    return " ".join(re.findall(rf"[\w'{FILLED}-]+", text.replace("\\", "").lower()))


def _messages_of(path: Path) -> Iterator[Message]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    tree, constants = ast.parse(path.read_text()), _constants(path)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        number = 0 if name in RAISED else TOLD.get(name)
        if number is None or len(call.args) <= number:
            continue
        inside = [f for f in functions if f.lineno <= call.lineno <= (f.end_lineno or 0)]
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        mends = given.get("mend") or next(iter(call.args[number + 1 : number + 2]), None)
        for what in _texts(call.args[number], inside, call.lineno, constants):
            mend = " or ".join(_texts(mends, inside, call.lineno, constants)) if mends else ""
            if len(_words(what).split()) >= 2:
                yield Message(module, what, mend)


@cache
def _constants(path: Path) -> dict[str, ast.AST]:
    """What the names of a module stand for: its own, and those it takes from our other modules."""
    found: dict[str, ast.AST] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGES):
            other = (ROOT / str(node.module).replace(".", "/")).with_suffix(".py")
            theirs = _constants(other) if other.exists() else {}
            found |= {one.name: theirs[one.name] for one in node.names if one.name in theirs}
    return found


def _texts(
    node: ast.AST, inside: list[ast.FunctionDef], line: int, constants: dict[str, ast.AST]
) -> list[str]:
    """The text of an expression; of a variable, the last that it was given before this line."""
    if isinstance(node, ast.IfExp):
        both = (_texts(each, inside, line, constants) for each in (node.body, node.orelse))
        return [text for texts in both for text in texts]
    if isinstance(node, ast.Name):
        pairs = _assigned(inside[-1], node.id) if inside else []
        given = [pair for pair in pairs if pair[0] <= line]
        if not given and node.id in constants:
            given = [(0, constants[node.id])]
        return [t for at, value in given[-1:] for t in _texts(value, [], at, constants)] or [FILLED]
    return [_text(node)]


def _assigned(function: ast.FunctionDef, name: str) -> list[tuple[int, ast.AST]]:
    found: list[tuple[int, ast.AST]] = []
    for node in (one for one in ast.walk(function) if isinstance(one, ast.Assign)):
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            found += [
                (node.lineno, value) for one, value in pairs if getattr(one, "id", "") == name
            ]
    return sorted(found, key=lambda pair: pair[0])


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_text(value) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
    return FILLED


def _cell(text: str) -> str:
    plain = " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
    return re.sub(rf"({FILLED})+", FILLED, plain).replace("*", "\\*").replace("_", "\\_")


if __name__ == "__main__":
    print(page(), end="")
