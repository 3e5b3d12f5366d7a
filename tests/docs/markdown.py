"""What stands in a page of Markdown: blocks of code, links, headings, words of code. Pure."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A block of code; indented ones have no language."""

    language: str
    text: str


def blocks(text):
    """All blocks of a page, in order."""
    found = {m.start(): Block(m[1], m[2]) for m in FENCE.finditer(text)}
    inside = [range(*m.span()) for m in FENCE.finditer(text)]
    for match in INDENTED.finditer(text):
        if not any(match.start() in span for span in inside):
            found[match.start()] = Block("", re.sub(r"^ {4}", "", match[0], flags=re.MULTILINE))
    return [found[start] for start in sorted(found)]


def prose(text):
    """A page without its blocks."""
    return INDENTED.sub("\n", FENCE.sub("\n", text))


def links(text):
    """Where the links of a page lead, pictures included."""
    return LINK.findall(prose(text))


def anchors(text):
    """The names of its headings, as GitHub and MkDocs make them."""
    names = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(prose(text)))
    return {name.strip().replace(" ", "-") for name in names}


def words(text):
    """What stands between single backticks."""
    return CODE.findall(prose(text))


def lines(block):
    """Lines of a shell, those that a backslash continues joined."""
    whole = block.text.replace("\\\n", " ")
    return [line.strip() for line in whole.splitlines() if line.strip()]
