"""Tables of the bench in Markdown: all figures, scan by scene. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from .records import Row

Getter = Callable[[Row], float | None]


@dataclass(frozen=True)
class Column:
    """A head, where its figure is found, and how it is written."""

    head: str
    get: Getter
    form: str


def _of_fidelity(name: str) -> Getter:
    return lambda row: getattr(row.figures.fidelity, name) if row.figures.fidelity else None


def _of_halves(name: str) -> Getter:
    return lambda row: getattr(row.figures.halves, name) if row.figures.halves else None


COLUMNS = (
    Column("R held out", lambda row: row.figures.R_held, ".5f"),
    Column("R", lambda row: row.figures.R, ".5f"),
    Column("amp MAE", _of_fidelity("amp_mae"), ".4f"),
    Column("phase MAE", _of_fidelity("phase_mae"), ".4f"),
    Column("amp PSNR", _of_fidelity("amp_psnr"), ".1f"),
    Column("phase PSNR", _of_fidelity("phase_psnr"), ".1f"),
    Column("amp SSIM", _of_fidelity("amp_ssim"), ".3f"),
    Column("phase SSIM", _of_fidelity("phase_ssim"), ".3f"),
    Column("amp MS-SSIM", _of_fidelity("amp_ms_ssim"), ".3f"),
    Column("phase MS-SSIM", _of_fidelity("phase_ms_ssim"), ".3f"),
    Column("FRC-50", _of_fidelity("frc50"), ".2f"),
    Column("half-scan FRC-50", _of_halves("frc50"), ".2f"),
    Column("its first 7 rings", _of_halves("low"), ".2f"),
    Column("steps", lambda row: row.steps, ".0f"),
    Column("s", lambda row: row.seconds, ".2f"),
    Column("trained, s", lambda row: row.trained_s or None, ".0f"),
    Column("MB", lambda row: row.peak_mb, ".0f"),
)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A section for each scan: a line for each method, means over seeds, the columns that say
    something."""
    for scene in dict.fromkeys(row.scene for row in rows):
        yield from _section([row for row in rows if row.scene == scene])
        yield ""


def brief_table(rows: Sequence[Row]) -> Iterator[str]:
    """A line for each scan, a column for each method that saw most of them: R on frames held out,
    SSIM of amplitude and phase."""
    scenes = list(dict.fromkeys(row.scene for row in rows))
    seen = {label: {r.scene for r in rows if r.label == label} for label in _labels(rows)}
    labels = [label for label, where in seen.items() if 2 * len(where) > len(scenes)]
    yield "R held out, amplitude SSIM, phase SSIM:"
    yield ""
    yield "| scan | " + " | ".join(labels) + " |"
    yield "|---" * (len(labels) + 1) + "|"
    for scene in scenes:
        cells = (_brief([r for r in rows if (r.scene, r.label) == (scene, k)]) for k in labels)
        yield f"| {scene} | " + " | ".join(cells) + " |"


def _labels(rows: Sequence[Row]) -> Sequence[str]:
    return list(dict.fromkeys(row.label for row in rows))


def _brief(same: Sequence[Row]) -> str:
    """The three figures of one method on one scan."""
    heads = ("R held out", "amp SSIM", "phase SSIM")
    columns = [column for head in heads for column in COLUMNS if column.head == head]
    return " ".join(written(mean(column.get, same), column.form) for column in columns)


def _section(rows: Sequence[Row]) -> Iterator[str]:
    first = rows[0]
    yield f"### {first.scene}"
    yield ""
    yield f"{first.about[0].upper()}{first.about[1:]}; {_size(rows)}. {_limits(rows)}"
    yield ""
    columns = [column for column in COLUMNS if any(column.get(row) is not None for row in rows)]
    yield "| method | " + " | ".join(column.head for column in columns) + " | |"
    yield "|---" * (len(columns) + 2) + "|"
    for label in _labels(rows):
        same = [row for row in rows if row.label == label]
        figures = (written(mean(column.get, same), column.form) for column in columns)
        yield f"| {label} | " + " | ".join(figures) + f" | {flags(same)} |"


def _size(rows: Sequence[Row]) -> str:
    seeds = len({row.seed for row in rows})
    return f"{rows[0].frames} frames shown" + (f", means of {seeds} seeds" if seeds > 1 else "")


def _limits(rows: Sequence[Row]) -> str:
    """What nothing and what the truth leave."""
    empty, true, held = (
        mean(lambda row, name=name: getattr(row.figures, name), rows)
        for name in ("R_empty", "R_true", "R_held_true")
    )
    text = f"An empty object leaves R = {written(empty, '.5f')}"
    if true is not None:
        text += f", the reference {true:.5f}"
    return text + ("." if held is None else f" and of the frames held out {held:.5f}.")


def mean(get: Getter, rows: Sequence[Row]) -> float | None:
    """Mean of a figure over the rows that have it."""
    values = [value for row in rows if (value := get(row)) is not None]
    return fmean(values) if values else None


def written(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def flags(rows: Sequence[Row]) -> str:
    """What is wrong with results: flat or diverged, in how many of the seeds."""
    counts = {
        "flat": sum(row.figures.flat for row in rows),
        "diverged": sum(row.figures.diverged for row in rows),
    }
    of = f" {{}}/{len(rows)}" if len(rows) > 1 else ""
    return ", ".join(f"**{word}**" + of.format(count) for word, count in counts.items() if count)
