"""Pictures of a training: its loss, and what the network makes of one and the same region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIMITS = (0.5, 99.5)  # percentiles of the lit area that colours span
DPI = 100
Complex = NDArray[np.complex64]


def draw_loss(rows: Iterable[Mapping[str, str]], path: Path) -> None:
    """Loss and validation of every epoch of a history."""
    rows = list(rows)
    figure = _figure(6.0, 4.0)
    axes = figure.add_subplot()
    epochs = [int(row["epoch"]) + 1 for row in rows]
    for name, label in (("loss", "training loss"), ("validation", "validation: log error")):
        axes.plot(epochs, [float(row[name]) for row in rows], marker=".", label=label)
    axes.set_xlabel("epoch")
    axes.legend()
    _save(figure, path)


def draw_region(obj: Tensor, light: Tensor, truth: Tensor | None, title: str, path: Path) -> None:
    """Amplitude and phase of an object (H, W) where light fell; below it the truth, if known."""
    images = [_array(obj), *([] if truth is None else [_array(truth)])]
    lit = np.asarray(light.cpu()) > 0.05 * float(light.max())
    figure = _figure(8.0, 3.6 * len(images))
    axes = figure.subplots(len(images), 2, squeeze=False)
    for image, row, name in zip(images, axes, ("", "true "), strict=False):
        _show(figure, row[0], np.abs(image), lit, f"{name}amplitude", "gray")
        _show(figure, row[1], _phase(image, lit), lit, f"{name}phase (rad)", "viridis")
    figure.suptitle(title, fontsize=10)
    _save(figure, path)


def _array(obj: Tensor) -> Complex:
    return np.asarray(obj.detach().cpu().numpy())


def _phase(image: Complex, lit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Around the mean phase, which frames do not fix."""
    mean = image[lit].sum() if lit.any() else np.complex64(1)
    return np.angle(image * np.conj(mean)).astype(np.float64)


def _show(
    figure: Figure,
    axes: Axes,
    image: NDArray[np.floating],
    lit: NDArray[np.bool_],
    label: str,
    colours: str,
) -> None:
    values = image[lit & np.isfinite(image)]
    low, high = np.percentile(values, LIMITS) if values.size else (0.0, 1.0)
    shown = axes.imshow(
        np.where(lit, image, np.nan), cmap=colours, vmin=low, vmax=max(high, low + 1e-6)
    )
    figure.colorbar(shown, ax=axes, label=label, fraction=0.05)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as new:
        figure.savefig(new, dpi=DPI, format="png")
