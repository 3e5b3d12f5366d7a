"""From arrays of numbers to small images with colours: WebP, what has no number transparent."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.report.record import Base64, Colours, Panel, Scale

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Look", "coloured", "encoded", "panel", "scattered", "thumbnail"]

FULL, COMPACT, THUMBNAIL = 512, 112, 96  # pixels along the longer side
QUALITY, COMPACT_QUALITY = 82, 40  # of WebP, in percent
DOT_DPI = 100


@dataclass(frozen=True)
class Look:
    """How numbers are shown: their colours, the values of the first and the last, in which unit.

    Values are already on the scale that is shown; `words` are the ends as a reader is told them.
    """

    colours: Colours
    limits: tuple[float, float]
    unit: str
    words: tuple[str, str]


def coloured(values: NDArray[Any], look: Look) -> Image:
    """An array (H, W) in colours; NaN is transparent."""
    import matplotlib
    from PIL import Image

    low, high = look.limits
    shown = np.clip((values - low) / max(high - low, 1e-30), 0, 1)
    colours = matplotlib.colormaps[look.colours](np.ma.masked_invalid(shown), bytes=True)
    colours[~np.isfinite(values)] = 0
    return Image.fromarray(colours)


def scattered(
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    shape: tuple[int, int],
    look: Look,
) -> Image:
    """Points (K, 2) as (x, y) on a canvas of this shape (H, W), each in the colour of its value."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    height, width = shape
    inches = FULL / DOT_DPI / max(height, width)
    figure = Figure(figsize=(width * inches, height * inches), dpi=DOT_DPI, facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    low, high = look.limits
    order = np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")  # the worst on top
    axes.scatter(
        points[order, 0],
        points[order, 1],
        c=values[order],
        s=float(np.clip(3e4 / max(len(points), 1), 2, 60)),
        cmap=look.colours,
        vmin=low,
        vmax=high,
        linewidths=0,
        plotnonfinite=False,
    )
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", facecolor="none")
    return Image.open(drawn).convert("RGBA")


def panel(
    image: Image, look: Look, *, name: str, title: str, alt: str, scale: Scale | None = None
) -> Panel:
    """An image with all that is said of it."""
    full = shrunk(image, FULL)
    return Panel(
        name=name,
        title=title,
        alt=alt,
        unit=look.unit,
        colours=look.colours,
        ends=look.words,
        size=full.size,
        scale=scale,
        full=encoded(full, QUALITY),
        compact=encoded(shrunk(image, COMPACT), COMPACT_QUALITY),
    )


def thumbnail(image: Image) -> Base64:
    """The image as small as it is in the overview."""
    return encoded(shrunk(image, THUMBNAIL), COMPACT_QUALITY)


def shrunk(image: Image, longest: int) -> Image:
    """The image, at most so many pixels long."""
    from PIL import Image

    if max(image.size) <= longest:
        return image
    factor = longest / max(image.size)
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX)


def encoded(image: Image, quality: int) -> Base64:
    """WebP in base64."""
    data = io.BytesIO()
    opaque = bool((np.asarray(image)[..., 3] == 255).all())
    (image.convert("RGB") if opaque else image).save(
        data, "WEBP", quality=quality, alpha_quality=quality, method=4
    )
    return base64.b64encode(data.getvalue()).decode()
