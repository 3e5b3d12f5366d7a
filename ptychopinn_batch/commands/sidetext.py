"""Two runs side by side in words: tables of settings and of figures. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from statistics import median

from pydantic import JsonValue

from ptychopinn_batch.commands.measures import Measure, measures_of
from ptychopinn_batch.commands.pairing import Paired, Pairing
from ptychopinn_batch.commands.settings import Setting
from ptychopinn_batch.commands.text import columns, plural
from ptychopinn_batch.metrics import Metrics
from ptychopinn_batch.results.run import RunResult

__all__ = ["figures_text", "settings_text"]

Labels = tuple[str, str]

IN_A_TABLE = ("R held out", "phase corr.")
SUMMED_UP = "R held out"
MOST_LINES = 40
LONGEST = 60  # characters of a value
LONGEST_LABEL = 16  # characters of a name that heads columns


def settings_text(labels: Labels, settings: Sequence[Setting]) -> Iterator[str]:
    """A line for every setting that differs."""
    if not settings:
        yield "No setting differs."
        return
    rows = ((each.key, _shown(each.a), _shown(each.b)) for each in settings)
    yield from columns(("setting", *labels), rows)


def figures_text(labels: Labels, pairing: Pairing, *, show_all: bool = False) -> Iterator[str]:
    """The figures of a single pair one below the other, of several a line for each pair."""
    yield ""
    if len(pairing.pairs) == 1:
        yield from _one(labels, pairing.pairs[0])
    elif pairing.pairs:
        yield from _several(labels, pairing.pairs, show_all)
    else:
        yield "No result of one has the scan and the variant of a result of the other."
    for label, alone in zip(labels, (pairing.only_a, pairing.only_b), strict=True):
        yield from _alone(label, alone)


def _one(labels: Labels, pair: Paired) -> Iterator[str]:
    a, b = pair.a.metrics, pair.b.metrics
    if a is None or b is None:
        yield from (f"{each.name}: {each.standing}" for each in (pair.a, pair.b))
        return
    rows = [
        (each.name, each.text(a), each.text(b), _change(each, a, b)) for each in measures_of(a, b)
    ]
    yield from columns(
        ("figure", *labels, "change"), [("verdict", a.verdict, b.verdict, ""), *rows]
    )


def _several(labels: Labels, pairs: Sequence[Paired], show_all: bool) -> Iterator[str]:
    """The pairs in which the second is worse first."""
    ranked = sorted(pairs, key=lambda pair: -_ratio_of(pair))
    shown = ranked if show_all else ranked[:MOST_LINES]
    known = [each.metrics for pair in pairs for each in (pair.a, pair.b) if each.metrics]
    measures = [each for each in measures_of(*known) if each.name in IN_A_TABLE]
    a, b = labels
    if max(map(len, labels)) > LONGEST_LABEL:
        yield from (f"A: {a}", f"B: {b}", "")
        a, b = "A", "B"
    head = [word for each in measures for word in (f"{each.name}: {a}", b, "change")]
    yield from columns(
        ("result", *head, f"verdict: {a}", b), (_cells(pair, measures) for pair in shown)
    )
    if len(shown) < len(ranked):
        yield f"and {plural(len(ranked) - len(shown), 'result')} more (--all)"
    yield _summary(pairs)


def _cells(pair: Paired, measures: Sequence[Measure]) -> tuple[str, ...]:
    a, b = pair.a.metrics, pair.b.metrics
    if a is None or b is None:
        standing = (m.verdict if m else each.standing for m, each in ((a, pair.a), (b, pair.b)))
        return pair.name, *("-" for _ in range(3 * len(measures))), *standing
    figures = [text for m in measures for text in (m.text(a), m.text(b), _change(m, a, b))]
    return pair.name, *figures, a.verdict, b.verdict


def _change(measure: Measure, a: Metrics, b: Metrics) -> str:
    """By how much the second differs from the first, and whether that is for the better."""
    old, new = measure.value(a), measure.value(b)
    if old is None or new is None or old == new or not old:
        return ""
    text = f"{(new - old) / abs(old):+.1%}"
    if measure.lower_is_better is None or text in ("+0.0%", "-0.0%"):
        return text
    return f"{text} {'better' if (new < old) == measure.lower_is_better else 'worse'}"


def _ratio_of(pair: Paired) -> float:
    """R of the second on frames left out, relative to that of the first; 0 where it is unknown."""
    a, b = pair.a.metrics, pair.b.metrics
    if a is None or b is None or not a.R_held_out or b.R_held_out is None:
        return 0.0
    return b.R_held_out / a.R_held_out


def _summary(pairs: Sequence[Paired]) -> str:
    ratios = [ratio for pair in pairs if (ratio := _ratio_of(pair))]
    if not ratios:
        return f"{plural(len(pairs), 'pair')}, of which none can be compared yet."
    lower, higher = (sum(sign * (ratio - 1) > 0 for ratio in ratios) for sign in (-1, 1))
    return (
        f"{plural(len(ratios), 'pair')}: {SUMMED_UP} of the second is lower in {lower}, higher in "
        f"{higher}; in the middle it changes by {median(ratios) - 1:+.1%}."
    )


def _alone(label: str, results: Sequence[RunResult]) -> Iterator[str]:
    if results:
        names = ", ".join(f"{each.variant}/{each.scan}" for each in results[:10])
        more = f" and {len(results) - 10} more" if len(results) > 10 else ""
        yield f"only in {label}: {names}{more}"


def _shown(value: JsonValue) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
