"""Two objects side by side: in one gauge, in the same colours, with what they differ in.

They are compared where both have light, on the pixels that their canvases share; of a large object
that is the middle. Objects on pixels of different size are only shown. Needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.canvas import Canvas, Window
from ptychopinn_batch.comparison import (
    LARGEST,
    SSIM_WINDOW,
    Complex,
    Mask,
    Similarity,
    align,
    similarity,
    without_plane,
)
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.objectstore import ObjectStore, StoredObject
from ptychopinn_batch.scalebar import draw_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

__all__ = ["Pair", "View", "coloured", "side_by_side", "write_pair"]

WELL_LIT = 0.05  # of the brightest light
LIMITS = (0.5, 99.5)  # percentiles that colours span
SAME_SIZE = 1e-6  # relative difference of pixel sizes that is none
ALIKE = 0.5  # overlap over union, from which canvases of unknown pixel size have the same

Real = NDArray[np.float64]
Colours = Literal["gray", "viridis", "coolwarm"]


@dataclass(frozen=True)
class View:
    """A picture: image (H, W), NaN where nothing was seen, the limits of its colours, its unit."""

    title: str
    image: Real
    limits: tuple[float, float]
    colours: Colours
    unit: str = ""


@dataclass(frozen=True)
class Pair:
    """Rows of pictures of two objects; `similarity` of the first to the second where it can be
    told, `note` what a reader must know of the pictures."""

    rows: tuple[tuple[View, ...], ...]
    similarity: Similarity | None
    pixel_size_m: float | None
    note: str = ""


def side_by_side(a: Path, b: Path, names: tuple[str, str]) -> Pair:
    """The objects in two arrays. StateError where one is not there, or not whole."""
    stores = ObjectStore.open(a), ObjectStore.open(b)
    first, second = (store.header.canvas for store in stores)
    windows = _shared(first, second)
    if windows is None:
        note = "on different pixels: shown each as it is, and not compared"
        return _apart(stores, names, note)
    middles = tuple(window.middle(LARGEST) for window in windows)
    objects = [store.read(window) for store, window in zip(stores, middles, strict=True)]
    note = "" if middles == windows else f"the middle {LARGEST} pixels"
    return _together(objects[0], objects[1], names, first.pixel_size_m, note)


def write_pair(pair: Pair, title: str, path: Path) -> None:
    """Draw all pictures on one page, as PNG; no display is needed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = len(pair.rows[0])
    figure = Figure(figsize=(4.6 * columns, 4.2 * len(pair.rows)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(pair.rows), columns, squeeze=False)
    for row, places in zip(pair.rows, grid, strict=True):
        for view, axes in zip(row, places, strict=True):
            _draw(axes, view, pair.pixel_size_m)
    figure.suptitle(f"{title}\n{pair.note}" if pair.note else title, fontsize=11)
    with whole_file(path) as new:
        figure.savefig(new, dpi=120, format="png", metadata={"Title": title})


def coloured(view: View) -> Image:
    """A picture alone, without axes; what was not seen is transparent."""
    import matplotlib
    from PIL import Image

    low, high = view.limits
    shown = np.clip((view.image - low) / (high - low), 0, 1)
    colours = matplotlib.colormaps[view.colours](np.ma.masked_invalid(shown), bytes=True)
    colours[np.isnan(view.image)] = 0
    return Image.fromarray(colours)


def _draw(axes: Axes, view: View, pixel_size_m: float | None) -> None:
    low, high = view.limits
    axes.set_facecolor("0.6")
    shown = axes.imshow(view.image, cmap=view.colours, vmin=low, vmax=high)
    axes.set_title(view.title, fontsize=9)
    axes.figure.colorbar(shown, ax=axes, label=view.unit, fraction=0.046)
    draw_bar(axes, view.image.shape, pixel_size_m)


def _shared(a: Canvas, b: Canvas) -> tuple[Window, Window] | None:
    """The pixels that two canvases share, as windows of each; None where they share none."""
    left, right = max(a.x0, b.x0), min(a.x0 + a.width, b.x0 + b.width)
    top, bottom = max(a.y0, b.y0), min(a.y0 + a.height, b.y0 + b.height)
    if min(right - left, bottom - top) <= SSIM_WINDOW:
        return None
    shared = (right - left) * (bottom - top)
    union = a.width * a.height + b.width * b.height - shared
    if not _same_pixels(a, b, shared / union):
        return None
    box = Window(top=top, left=left, bottom=bottom, right=right)
    first, second = (_on(box, canvas) for canvas in (a, b))
    return first, second


def _same_pixels(a: Canvas, b: Canvas, overlap: float) -> bool:
    if a.pixel_size_m is None or b.pixel_size_m is None:
        return a.pixel_size_m == b.pixel_size_m and overlap >= ALIKE
    return abs(a.pixel_size_m - b.pixel_size_m) <= SAME_SIZE * a.pixel_size_m


def _on(box: Window, canvas: Canvas) -> Window:
    """A box of scan pixels as a window of a canvas."""
    return Window(
        top=box.top - canvas.y0,
        left=box.left - canvas.x0,
        bottom=box.bottom - canvas.y0,
        right=box.right - canvas.x0,
    )


def _together(
    a: StoredObject,
    b: StoredObject,
    names: tuple[str, str],
    pixel_size_m: float | None,
    note: str,
) -> Pair:
    lit = _lit(a) & _lit(b)
    if not lit.any():
        lit = a.seen & b.seen
    first, second = (np.where(lit, each.object, 1).astype(np.complex64) for each in (a, b))
    aligned = align(first, second, lit)
    flat = without_plane(second, lit)
    turned = np.angle(aligned * second.conj()).astype(np.float64)
    amplitudes = np.abs(aligned).astype(np.float64), np.abs(second).astype(np.float64)
    return Pair(
        rows=(
            _row("amplitude", amplitudes, amplitudes[0] - amplitudes[1], lit, names, "gray"),
            _row("phase", (flat + turned, flat), turned, lit, names, "viridis", "rad"),
        ),
        similarity=similarity(first, second, lit),
        pixel_size_m=pixel_size_m,
        note=note,
    )


def _row(
    what: str,
    images: tuple[Real, Real],
    difference: Real,
    lit: Mask,
    names: tuple[str, str],
    colours: Colours,
    unit: str = "",
) -> tuple[View, ...]:
    """Both in the colours of the second, and the first less the second."""
    limits, largest = _limits(images[1], lit), max(map(abs, _limits(difference, lit)))
    views = (
        View(f"{what}, {name}", np.where(lit, image, np.nan), limits, colours, unit)
        for name, image in zip(names, images, strict=True)
    )
    shown = np.where(lit, difference, np.nan)
    return (
        *views,
        View(f"{what}, first less second", shown, (-largest, largest), "coolwarm", unit),
    )


def _apart(stores: tuple[ObjectStore, ObjectStore], names: tuple[str, str], note: str) -> Pair:
    """Each as it is, in colours of its own."""
    views = []
    for store, name in zip(stores, names, strict=True):
        found = store.read(store.header.canvas.whole.middle(LARGEST))
        lit = _lit(found)
        filled = np.where(lit, found.object, 1).astype(np.complex64)
        views.append(_alone(filled, lit, name))
    (a, phase_a), (b, phase_b) = views
    return Pair(rows=((a, b), (phase_a, phase_b)), similarity=None, pixel_size_m=None, note=note)


def _alone(filled: Complex, lit: Mask, name: str) -> tuple[View, View]:
    amplitude, phase = np.abs(filled).astype(np.float64), without_plane(filled, lit)
    return (
        View(
            f"amplitude, {name}", np.where(lit, amplitude, np.nan), _limits(amplitude, lit), "gray"
        ),
        View(f"phase, {name}", np.where(lit, phase, np.nan), _limits(phase, lit), "viridis", "rad"),
    )


def _lit(found: StoredObject) -> Mask:
    """Seen pixels with enough light to judge by."""
    return np.asarray(found.seen & (found.weight >= WELL_LIT * np.nanmax(found.weight, initial=0)))


def _limits(image: Real, lit: Mask) -> tuple[float, float]:
    values = image[lit]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, LIMITS)
    return float(low), float(max(high, low + 1e-6))
