"""Pictures of an object: `amplitude.png` and `phase.png`, with a scale bar.

What no frame saw is of a pale blue, which no colour map has; what little light fell on fades to it.

The phase is shown without its plane, which frames do not fix, and cut open where it is emptiest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.comparison import without_plane
from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.scalebar import draw_bar

LIMITS = (0.5, 99.5)  # percentiles of the well-lit area that colours span
WELL_LIT = 0.2  # of the brightest light: dimmer pixels do not set the colours
FADING = 0.05  # of it: still dimmer ones are the fainter the less light they had
FULL_CIRCLE = 5.5  # rad: phases that span more are shown in colours that close upon themselves
MOST_PIXELS = 2048  # along the longer side of the picture
DPI = 120
LONGEST = 8.0  # inches, the longer side of the picture
UNSEEN = "#c3d2e6"


@dataclass(frozen=True)
class Picture:
    """What one file shows: image (H, W) float, NaN where not seen, how opaque it is (0 to 1),
    limits of its colours."""

    image: NDArray[np.float64]
    opaque: NDArray[np.float64]
    limits: tuple[float, float]
    label: str
    colours: str
    gauge: str


def amplitude_picture(result: Result) -> Picture:
    """|object|; robust against a few outliers at the rim."""
    step = _step(result)
    image = np.abs(result.object[::step, ::step]).astype(np.float64)
    limits = _limits(image, result)
    return Picture(image, _opaque(result), limits, "amplitude", "gray", "relative")


def phase_picture(result: Result) -> Picture:
    """The phase in rad, without plane."""
    step = _step(result)
    seen, lit = (mask[::step, ::step] for mask in (result.seen, well_lit(result)))
    image = np.where(seen, without_plane(result.object[::step, ::step], lit), np.nan)
    low, high = _limits(image, result)
    around = high - low > FULL_CIRCLE
    gauge = "without its plane and its mean, which frames do not fix"
    colours = "twilight" if around else "viridis"
    return Picture(image, _opaque(result), (low, high), "phase (rad)", colours, gauge)


def _step(result: Result) -> int:
    """Every so-manieth pixel is shown: more than a screen has would only cost memory."""
    return -(-max(result.canvas.shape) // MOST_PIXELS)


def _opaque(result: Result) -> NDArray[np.float64]:
    step, brightest = _step(result), float(result.weight.max()) or 1.0
    return np.clip(result.weight[::step, ::step] / (FADING * brightest), 0.0, 1.0)


def well_lit(result: Result) -> NDArray[np.bool_]:
    """Seen pixels (H, W) with enough light to judge by; all seen ones if there are none."""
    lit = result.seen & (result.weight >= WELL_LIT * result.weight.max())
    return lit if lit.any() else result.seen


def write_png(result: Result, picture: Picture, path: Path) -> None:
    """Draw a picture; no display and no global state of matplotlib is needed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    height, width = result.canvas.shape
    scale = LONGEST / max(height, width)
    figure = Figure(figsize=(width * scale + 1.6, height * scale + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_facecolor(UNSEEN)
    low, high = picture.limits
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    shown = axes.imshow(picture.image, picture.colours, vmin=low, vmax=high, extent=extent)
    shown.set_alpha(picture.opaque)
    figure.colorbar(
        ScalarMappable(shown.norm, shown.cmap), ax=axes, label=picture.label, fraction=0.05
    )
    axes.set_title(_title(result), fontsize=10)
    draw_bar(axes, result.canvas.shape, result.canvas.pixel_size_m)
    with whole_file(path) as new:
        about = {"Title": _title(result), "Description": f"{picture.label}; {picture.gauge}"}
        figure.savefig(new, dpi=DPI, format="png", metadata=about)


def _title(result: Result) -> str:
    residual = "" if result.residual is None else f"   R = {result.residual:.5f}"
    return f"{result.title}{residual}"


def _limits(image: NDArray[np.float64], result: Result) -> tuple[float, float]:
    step = _step(result)
    values = image[well_lit(result)[::step, ::step] & np.isfinite(image)]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, LIMITS)
    return float(low), float(max(high, low + 1e-6))
