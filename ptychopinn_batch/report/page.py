"""From what is known of a run to its page: one HTML file that loads nothing.

All texts are escaped by the template engine; what is not is named here: our own style, script and
plots. The page's own policy lets browsers run that script alone, and load nothing at all.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, NamedTuple

from ptychopinn_batch.report import words
from ptychopinn_batch.report.collect import Entry, RunReport
from ptychopinn_batch.report.plots import BOX, Line, gradient, line_plot
from ptychopinn_batch.report.record import Curve, Panel
from ptychopinn_batch.report.sweeps import sweep_plots

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render"]

ROOM = 26_000_000  # characters of pictures and details; the page shall stay below 30 MB
ENTRY = 7_000  # characters that a result takes at most, besides its pictures
FEW = 50  # results whose details are part of the page from the start, not once they are opened
MOST_FAILURES = 100  # that are shown in full, and as many scans that are doubtful

Size = Literal["full", "compact", "none"]


class Drawn(NamedTuple):
    """A curve that is drawn once, however many results have it."""

    id: str
    curve: Curve


class Shown(NamedTuple):
    """A result on the page."""

    id: str
    entry: Entry
    size: Size
    curves: tuple[Drawn, ...]


def render(found: RunReport) -> str:
    """The page."""
    from markupsafe import Markup

    script = _asset("page.js")
    shown = tuple(_shown(found.entries))
    curves = {drawn.id: drawn.curve for one in shown for drawn in one.curves}
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            found=found,
            at=time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(found.status.at)),
            shown=shown,
            later=len(shown) > FEW,
            curves={name: Markup(_plot(curve)) for name, curve in curves.items()},
            plot_box=BOX,
            sweeps=sweep_plots(found),
            doubts=found.doubts[:MOST_FAILURES],
            failures=found.failures[:MOST_FAILURES],
            style=Markup(_asset("page.css") + _bars(shown)),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({name: getattr(words, name) for name in words.__all__})
    return made


def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def _shown(entries: Sequence[Entry]) -> Iterator[Shown]:
    for number, (entry, size) in enumerate(zip(entries, _sizes(entries), strict=True), 1):
        curves = entry.report.curves if entry.report else ()
        yield Shown(f"r{number}", entry, size, tuple(map(_drawn, curves)))


def _drawn(curve: Curve) -> Drawn:
    digest = hashlib.sha256(curve.model_dump_json().encode()).hexdigest()[:12]
    return Drawn(f"c{digest}", curve)


def _sizes(entries: Sequence[Entry], room: int = ROOM) -> list[Size]:
    """How large the pictures of each result are, so that all of them have room.

    Small ones for all come first, then full ones for as many as fit, from the first on.
    """
    room -= sum(ENTRY + _weight(entry, "none") for entry in entries)
    sizes: list[Size] = ["none"] * len(entries)
    steps: tuple[tuple[Size, Size], ...] = (("none", "compact"), ("compact", "full"))
    for smaller, larger in steps:
        for k, entry in enumerate(entries):
            more = _weight(entry, larger) - _weight(entry, smaller)
            if sizes[k] == smaller and more <= room:
                sizes[k], room = larger, room - more
    return sizes


def _weight(entry: Entry, size: Size) -> int:
    """Characters of a result's pictures."""
    if entry.report is None:
        return 0
    return len(entry.report.thumbnail) + sum(_characters(entry.report.panels, size))


def _characters(panels: Iterable[Panel], size: Size) -> Iterator[int]:
    for panel in panels:
        match size:
            case "full":
                yield len(panel.full)
            case "compact":
                yield len(panel.compact)


def _bars(shown: Sequence[Shown]) -> str:
    """The style of the colour bars that the page has."""
    reports = (one.entry.report for one in shown)
    colours = dict.fromkeys(
        panel.colours for report in reports if report for panel in report.panels
    )
    return "".join(f".bar-{name}{{background:{gradient(name)}}}\n" for name in colours)


def _plot(curve: Curve) -> str:
    lines = [Line(curve.points)]
    return line_plot(lines, x_label=curve.x_label, y_label=curve.y_label, title=curve.name)
