"""Pictures of the bench: every scan with all its results, an overview, quality over time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.comparison import amplitude_images, phase_images
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.registration import Pair

from .records import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIMITS = (1, 99)  # percentiles of the reference that grey levels span
SIDE = 2.2  # inches of a picture
DPI = 90


@dataclass(frozen=True)
class Gallery:
    """Objects of the bench, each beside its reference, in a folder that pictures are drawn from."""

    folder: Path

    def keep(self, row: Row, pair: Pair | None) -> None:
        """Store an object of which there is something to show."""
        if pair is None:
            return
        path = self._path(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, object=pair.object, reference=pair.reference, seen=pair.seen)

    def pair(self, row: Row) -> Pair | None:
        """What was kept of a row."""
        path = self._path(row)
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as found:
            return Pair(found["object"], found["reference"], found["seen"])

    def _path(self, row: Row) -> Path:
        label = re.sub(r"[^A-Za-z0-9.=+-]+", "_", row.label)
        return self.folder / f"{row.scene}-{row.seed}" / f"{label}-{row.key[:8]}.npz"

    def draw_scene(self, rows: Sequence[Row], path: Path) -> None:
        """Amplitude above phase of the reference and of every method."""
        shown = [(row, pair) for row in rows if (pair := self.pair(row))]
        if not shown:
            return
        figure = _figure(SIDE * (1 + len(shown)), 2 * SIDE + 0.4)
        grid = figure.subplots(2, 1 + len(shown), squeeze=False)
        _column(grid[:, 0], _images(shown[0][1], reference=True), shown[0][1], "reference")
        for axes, (row, pair) in zip(grid.T[1:], shown, strict=True):
            _column(axes, _images(pair), pair, f"{row.label}, {row.seconds:.1f} s")
        _save(figure, path)

    def draw_overview(self, rows: Sequence[Row], path: Path) -> None:
        """A line for each row: amplitude and phase, each beside its reference."""
        shown = [(row, pair) for row in rows if (pair := self.pair(row))]
        figure = _figure(11, 2.9 * len(shown))
        grid = figure.subplots(len(shown), 4, squeeze=False)
        for line, (row, pair) in zip(grid, shown, strict=True):
            mine, other = _images(pair), _images(pair, reference=True)
            heads = (
                f"{row.about}\namplitude, {row.seconds:.1f} s",
                "reference",
                "phase",
                "reference",
            )
            images = (mine[0], other[0], mine[1], other[1])
            limits = [np.percentile(image[pair.seen], LIMITS) for image in (other[0], other[1])]
            for k, (axes, image, head) in enumerate(zip(line, images, heads, strict=True)):
                _show(axes, image, limits[k // 2], head)
        _save(figure, path)


def draw_curves(rows: Sequence[Row], path: Path) -> None:
    """For every scan the error of its phase over seconds, a line for each method's steps or times.

    What was refined before is another question, and left out.
    """
    rows = [row for row in rows if "+" not in row.method]
    scenes = list(dict.fromkeys(row.scene for row in rows))
    columns = min(5, len(scenes))
    lines = -(-len(scenes) // columns)
    figure = _figure(2.8 * columns, 2.4 * lines)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, scene in zip(grid, scenes, strict=False):
        _curves(axes, [row for row in rows if row.scene == scene and row.seed == 0], scene)
    for axes in grid[len(scenes) :]:
        axes.set_axis_off()
    handles = {
        h: la for axes in grid for h, la in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    unique = {label: handle for handle, label in handles.items()}
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=8, fontsize=8)
    _save(figure, path)


def _curves(axes: Axes, rows: Sequence[Row], title: str) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator

    for family in dict.fromkeys(_family(row) for row in rows):
        known = [(row.seconds, _phase_error(row)) for row in rows if _family(row) == family]
        points = sorted((seconds, error) for seconds, error in known if error)
        if points:
            axes.loglog(*zip(*points, strict=True), "o-", ms=3, lw=1, label=family)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("time [s]", fontsize=7)
    axes.set_ylabel("1 - phase SSIM", fontsize=7)
    axes.tick_params(labelsize=6, which="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_locator(NullLocator())


def _phase_error(row: Row) -> float | None:
    found = row.figures.fidelity
    if found is None or found.phase_ssim is None:
        return None
    # Rounded: matplotlib finds no limits for a value that misses a power of ten by its last bit.
    return round(1 - found.phase_ssim, 9)


def _family(row: Row) -> str:
    """The method without its steps or budget."""
    return row.method if row.budget is not None else row.method.partition(":")[0]


def _images(pair: Pair, *, reference: bool = False) -> tuple[NDArray[np.float64], ...]:
    """Amplitude and phase of an object or of its reference."""
    which = int(reference)
    amplitude = amplitude_images(pair.object, pair.reference)[which]
    phase = phase_images(pair.object, pair.reference, pair.seen)[which]
    return amplitude, phase


def _column(axes: NDArray[np.object_], images: tuple, pair: Pair, head: str) -> None:
    for axis, image, expected, title in zip(
        axes, images, _images(pair, reference=True), (head, ""), strict=True
    ):
        _show(axis, image, np.percentile(expected[pair.seen], LIMITS), title)


def _show(axes: Axes, image: NDArray[np.float64], limits: NDArray[np.float64], head: str) -> None:
    axes.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1])
    axes.set_axis_off()
    axes.set_title(head, fontsize=8, loc="left")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png")
