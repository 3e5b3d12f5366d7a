"""Curves as SVG that takes the colour of the text around it, and the colours of pictures as CSS."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BOX", "Line", "gradient", "line_plot"]

SIZE = (4.2, 2.4)  # inches
BOX = f"0 0 {72 * SIZE[0]:g} {72 * SIZE[1]:g}"  # of an SVG, in points
INK = "#010203"  # drawn in, then replaced by the colour of the text
PALETTE = ("#2a78d6", "#d1642a", "#2f9e6e", "#a05bc4", "#c44a6a", "#8a7a2a", "#3aa0b0", "#808080")
STOPS = 9
NAMELESS = re.compile(r'\s+id="[A-Za-z0-9.]+_\d+"')  # the same in every plot, and used by nobody


class Line(NamedTuple):
    """Points, joined in their order; `marks` are more points of the same colour."""

    points: Sequence[tuple[float, float]]
    marks: Sequence[tuple[float, float]] = ()


def line_plot(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    categories: Sequence[str] = (),
    title: str = "",
) -> str:
    """An SVG element, lines in the order of `PALETTE`.

    With `categories`, x counts them. Texts stay texts; none of them is taken for mathematics.
    """
    import matplotlib

    salt = hashlib.sha256(repr((lines, x_label, y_label, categories)).encode()).hexdigest()
    with matplotlib.rc_context(_style(salt)):
        figure = _figure()
        axes = figure.add_subplot(facecolor="none")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2, color=INK)
        _draw(axes, lines)
        _count(axes, lines, categories)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        return _embedded(_svg(figure), title)


def _style(salt: str) -> Any:  # a mapping whose keys matplotlib lists one by one
    """Texts as such, and names of parts that follow from what is drawn."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "font.size": 9,
        "text.parse_math": False,
        **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    }


def _figure() -> Figure:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained", facecolor="none")
    FigureCanvasSVG(figure)
    return figure


def _draw(axes: Axes, lines: Sequence[Line]) -> None:
    for line, colour in zip(lines, _colours(len(lines)), strict=True):
        dots = "." if len(line.points) < 40 else ""
        axes.plot(*_split(line.points), color=colour, marker=dots)
        axes.plot(*_split(line.marks), ".", color=colour, alpha=0.5, markersize=4)


def _count(axes: Axes, lines: Sequence[Line], categories: Sequence[str]) -> None:
    """Ticks of x: the categories, or no fractions where there are none."""
    from matplotlib.ticker import MaxNLocator

    if categories:
        axes.set_xticks(range(len(categories)), categories)
    elif all(float(x).is_integer() for line in lines for x, _ in line.points):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    return text.getvalue()


def gradient(colours: str) -> str:
    """The colours of a picture from bottom to top, as a CSS value."""
    import matplotlib

    found = matplotlib.colormaps[colours]
    stops = (found(k / (STOPS - 1), bytes=True) for k in range(STOPS))
    return f"linear-gradient(to top,{','.join(f'rgb({r},{g},{b})' for r, g, b, _ in stops)})"


def _split(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _colours(count: int) -> list[str]:
    return [PALETTE[k % len(PALETTE)] for k in range(count)]


def _embedded(svg: str, title: str) -> str:
    """The element alone, as wide as its place, its ink that of the text."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    rest = NAMELESS.sub("", element.split(">", 1)[1]).replace(INK, "currentColor")
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="plot" role="img" aria-label="{escape(title, quote=True)}" viewBox="{BOX}">'
    )
    return head + re.sub(r"\s*\n\s*", " ", rest)
