"""The figures of a result as they are shown: each with its name, and what it is of. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ptychopinn_batch.commands.text import duration
from ptychopinn_batch.metrics import Metrics

__all__ = ["MEASURES", "Measure", "measured", "measures_of"]

Value = float | None


@dataclass(frozen=True)
class Measure:
    """A figure: its name, its value in a result, how it is written, what it is of.

    lower_is_better: None where more or less is neither, or the machine's business.
    """

    name: str
    value: Callable[[Metrics], Value]
    form: Callable[[float], str]
    about: str = ""
    lower_is_better: bool | None = None

    def text(self, metrics: Metrics) -> str:
        """The value in words; `-` where there is none."""
        value = self.value(metrics)
        return "-" if value is None else self.form(value)


def _fixed(form: str, unit: str = "") -> Callable[[float], str]:
    return lambda value: f"{value:{form}}{unit}"


def _limit(metrics: Metrics) -> Value:
    halves = metrics.evidence.halves if metrics.evidence else None
    return halves.limit if halves else None


def _resolution(metrics: Metrics) -> Value:
    halves = metrics.evidence.halves if metrics.evidence else None
    return halves.resolution_m if halves else None


def _nanometres(value: float) -> str:
    return f"{value * 1e9:.3g} nm"


def _percent(value: float) -> str:
    return f"{value:.0%}"


MEASURES = (
    Measure("R", lambda m: m.R, _fixed(".5f"), "over all frames", True),
    Measure("R held out", lambda m: m.R_held_out, _fixed(".5f"), "over frames left out", True),
    Measure("R empty", lambda m: m.R_empty, _fixed(".5f"), "of an object that is 1 everywhere"),
    Measure("R noise", lambda m: m.R_noise, _fixed(".5f"), "that counting noise alone leaves"),
    Measure("two halves", _limit, _fixed(".2f"), "of Nyquist, up to which they agree", False),
    Measure("resolution", _resolution, _nanometres, "half a period, of the same", True),
    Measure("phase corr.", lambda m: m.phase_corr, _fixed(".4f"), "with the reference", False),
    Measure("amp. SSIM", lambda m: m.amp_ssim, _fixed(".4f"), "with the reference", False),
    Measure("phase SSIM", lambda m: m.phase_ssim, _fixed(".4f"), "with the reference", False),
    Measure("coverage", lambda m: m.coverage, _percent, "of the scanned area", False),
    Measure("shifts", lambda m: m.position_shift_px, _fixed(".2f", " px"), "of frames, r.m.s."),
    Measure("frames", lambda m: m.frames, _fixed(".0f")),
    Measure("frames/s", lambda m: m.frames_per_s, _fixed(".0f"), "from file to array"),
    Measure("time", lambda m: sum(m.seconds.values()), duration, "of all tasks, added up"),
    Measure("memory", lambda m: m.peak_rss_mb, _fixed(".0f", " MB"), "at most, of a task"),
)
"""In the order they are read in."""


def measures_of(*results: Metrics) -> tuple[Measure, ...]:
    """Those that any of these results has."""
    return tuple(
        each for each in MEASURES if any(each.value(metrics) is not None for metrics in results)
    )


def measured(metrics: Metrics) -> Iterator[tuple[str, str, str]]:
    """Name, value and meaning of every figure that a result has."""
    for each in measures_of(metrics):
        yield each.name, each.text(metrics), each.about
