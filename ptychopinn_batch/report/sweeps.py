"""Sweeps as plots: a figure of the results against each key that was varied. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup
from pydantic import JsonValue

from ptychopinn_batch.report.collect import Entry, RunReport
from ptychopinn_batch.report.plots import PALETTE, Line, line_plot

__all__ = ["SweepPlot", "sweep_plots"]

Figure = Callable[[Entry], float | None]


def _measured(name: str) -> Figure:
    return lambda entry: getattr(entry.metrics, name) if entry.metrics else None


FIGURES: dict[str, Figure] = {
    "R": _measured("R"),
    "R held out": _measured("R_held_out"),
    "phase corr.": _measured("phase_corr"),
    "time (s)": lambda entry: entry.seconds,
}


@dataclass(frozen=True)
class SweepPlot:
    """A plot of a figure against a key; `legend`: a colour and the scans that have it."""

    key: str
    figure: str
    svg: Markup
    legend: tuple[tuple[str, str], ...]


def sweep_plots(found: RunReport) -> tuple[SweepPlot, ...]:
    """Of every key with two values or more, every figure that two results have."""
    keys = dict.fromkeys(key for point in found.points.values() for key in point)
    return tuple(plot for key in keys for plot in _plots(found, key))


def _plots(found: RunReport, key: str) -> Iterator[SweepPlot]:
    places = _places(point[key] for point in found.points.values() if key in point)
    if len(places) < 2:
        return
    groups = _groups(
        [entry for entry in found.entries if key in found.points.get(entry.variant, {})]
    )
    numbers = all(_is_number(text) for text in places)
    for name, figure in FIGURES.items():
        lines = [
            _line([(places[_text(found.points[e.variant][key])], figure(e)) for e in members])
            for members in groups.values()
        ]
        if sum(len(line.points) for line in lines) > 1:
            categories = () if numbers else tuple(places)
            about = {"x_label": key, "y_label": name, "title": f"{name} against {key}"}
            svg = Markup(line_plot(lines, categories=categories, **about))
            yield SweepPlot(key, name, svg, tuple(zip(PALETTE, groups, strict=False)))


def _places(values: Iterable[JsonValue]) -> dict[str, float]:
    """Where each value stands on the axis: at itself where all are numbers, else in a row."""
    texts = dict.fromkeys(_text(value) for value in values)
    if all(_is_number(text) for text in texts):
        return {text: float(text) for text in texts}
    return {text: float(place) for place, text in enumerate(texts)}


def _groups(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The results by scan; all together where there are too many scans to tell apart."""
    scans = dict.fromkeys(entry.scan for entry in entries)
    if len(scans) > len(PALETTE):
        return {f"all {len(scans)} scans": list(entries)}
    return {scan: [entry for entry in entries if entry.scan == scan] for scan in scans}


def _line(pairs: Sequence[tuple[float, float | None]]) -> Line:
    """Medians over all else that was varied, and each result as a mark."""
    marks = sorted((x, y) for x, y in pairs if y is not None)
    points = [
        (x, median(y for at, y in marks if at == x)) for x in dict.fromkeys(x for x, _ in marks)
    ]
    return Line(points, marks if len(marks) > len(points) else ())


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
