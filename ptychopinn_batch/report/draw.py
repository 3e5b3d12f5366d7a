"""What a finished result is shown with: its object, probe, positions, patterns and curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.canvas import Window
from ptychopinn_batch.comparison import align, scanned_area
from ptychopinn_batch.exports import preview
from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.quantities import length
from ptychopinn_batch.report.frames import FrameStatistics, Patterns
from ptychopinn_batch.report.pictures import Look, coloured, panel, scattered, thumbnail
from ptychopinn_batch.report.record import Colours, Curve, Panel, ResultReport, Scale
from ptychopinn_batch.resolution import RingCorrelation, ring_correlation
from ptychopinn_batch.scalebar import nice_length

__all__ = ["draw"]

MOST_MODES = 6  # of the probe that are shown
DARK = 1e-4  # of the brightest pixel of a mean pattern: below it all is black
RINGS = 64  # points of a ring correlation that are kept
LARGEST_COMPARED = 1024  # pixels: the side of the window whose rings are compared

Real = NDArray[np.float64]


def draw(
    result: Result, frames: FrameStatistics, *, key: str, curves: tuple[Curve, ...] = ()
) -> ResultReport:
    """Everything that a report shows of a result; `curves` are those of its training."""
    amplitude, phase = _object(result)
    return ResultReport(
        key=key,
        thumbnail=thumbnail(coloured(*_shown(preview.phase_picture(result)))),
        panels=(amplitude, phase, _probe(result), *_positions(result, frames), *_patterns(frames)),
        curves=(*curves, *_curve(_rings(result))),
    )


def _object(result: Result) -> tuple[Panel, Panel]:
    width, height = result.canvas.width, result.canvas.height
    scale = _scale(width, result.canvas.pixel_size_m)
    size = f"{width} by {height} pixels{_measures(width, result.canvas.pixel_size_m)}"
    amplitude, phase = (
        _shown(make(result)) for make in (preview.amplitude_picture, preview.phase_picture)
    )
    return (
        panel(
            coloured(*amplitude),
            amplitude[1],
            name="amplitude",
            title="Amplitude",
            alt=f"Amplitude of the object, {_from_to(amplitude[1])}; {size}",
            scale=scale,
        ),
        panel(
            coloured(*phase),
            phase[1],
            name="phase",
            title="Phase",
            alt=f"Phase of the object without its plane, {_from_to(phase[1])}; {size}",
            scale=scale,
        ),
    )


def _shown(picture: preview.Picture) -> tuple[Real, Look]:
    """The values of a picture, and how they are shown."""
    colours: Colours = "gray"
    match picture.colours:
        case "viridis" | "twilight":
            colours = picture.colours
    unit = "rad" if "rad" in picture.label else ""
    return picture.image, _look(colours, picture.limits, unit)


def _look(colours: Colours, limits: tuple[float, float], unit: str = "") -> Look:
    low, high = limits
    return Look(colours, limits, unit, (f"{low:.3g}", f"{high:.3g}"))


def _from_to(look: Look) -> str:
    unit = f" {look.unit}" if look.unit else ""
    return f"from {look.words[0]} to {look.words[1]}{unit}"


def _probe(result: Result) -> Panel:
    """Amplitudes of the modes side by side, each in the same colours."""
    modes = np.abs(result.probe).astype(np.float64)
    power = (modes**2).sum((1, 2)) / (modes**2).sum()
    shown, n = modes[:MOST_MODES], modes.shape[-1]
    look = _look("inferno", (0.0, float(shown.max())), "√counts")
    shares = ", ".join(f"{share:.1%}" for share in power[: len(shown)])
    more = f" (of {len(modes)})" if len(modes) > len(shown) else ""
    return panel(
        coloured(np.concatenate(list(shown), axis=1), look),
        look,
        name="probe",
        title=f"Probe modes{more}: {shares} of the light",
        alt=f"Amplitude of {len(shown)} probe modes side by side, {_from_to(look)}",
        scale=_scale(n * len(shown), result.canvas.pixel_size_m, n),
    )


def _positions(result: Result, frames: FrameStatistics) -> tuple[Panel, ...]:
    residuals = frames.residuals
    finite = residuals[np.isfinite(residuals)]
    if not len(finite):
        return ()
    low, high = (float(value) for value in np.percentile(finite, (1, 99)))
    look = _look("viridis", (low, max(high, low * 1.001 + 1e-12)), "R")
    centres = result.canvas.centres(result.store.positions.numpy())
    return (
        panel(
            scattered(centres, residuals, result.canvas.shape, look),
            look,
            name="positions",
            title="Positions by the residual of their frame",
            alt=f"{len(centres)} scan positions; the residual of most frames is {_from_to(look)}, "
            f"the largest is {finite.max():.3g}",
            scale=_scale(result.canvas.width, result.canvas.pixel_size_m),
        ),
    )


def _patterns(frames: FrameStatistics) -> tuple[Panel, ...]:
    mean, worst, row = frames.mean, frames.worst, frames.worst_row
    panels = _pair("mean", "Mean pattern", mean) if mean else ()
    if worst is None or row is None:
        return panels
    title = f"Worst frame (R = {frames.residuals[row]:.3g})"
    return (*panels, *_pair("worst", title, worst))


def _pair(name: str, title: str, patterns: Patterns) -> tuple[Panel, ...]:
    """Measured and modelled in the same colours, on a logarithmic scale."""
    brightest = float(max(patterns.measured.max(), 1e-12))
    darkest = DARK * brightest
    ends = (f"{darkest:.2g}", f"{brightest:.2g}")
    look = Look("magma", (np.log10(darkest), np.log10(brightest)), "counts, log", ends)

    def one(what: str, image: NDArray[np.float32]) -> Panel:
        shown = np.log10(np.maximum(image.astype(np.float64), darkest))
        return panel(
            coloured(shown, look),
            look,
            name=f"{name} {what}",
            title=f"{title}, {what}",
            alt=f"{title} as {what}, {ends[0]} to {ends[1]} counts on a logarithmic scale",
        )

    return one("measured", patterns.measured), one("modelled", patterns.model)


def _scale(width: int, pixel_m: float | None, room: int | None = None) -> Scale | None:
    """A bar of about a quarter of the picture, or of `room` pixels of it."""
    if pixel_m is None:
        return None
    shown = nice_length(0.3 * (room or width) * pixel_m)
    return Scale(share=min(1.0, shown / (width * pixel_m)), text=length(shown))


def _measures(width: int, pixel_m: float | None) -> str:
    return "" if pixel_m is None else f", {width * pixel_m * 1e6:.3g} µm wide"


def _rings(result: Result) -> RingCorrelation | None:
    """Of object and reference over the middle of the scanned area, both in one gauge."""
    store, canvas = result.store, result.canvas
    if store.reference is None:
        return None
    reference = np.asarray(store.reference.numpy())
    area = scanned_area(canvas, store.positions.numpy(), reference.shape)
    if area is None:
        return None
    area = area.middle(LARGEST_COMPARED)
    seen = result.seen[area.slices]
    if seen.mean() < 0.5:
        return None
    there = area.relative_to(Window(top=-canvas.y0, left=-canvas.x0, bottom=0, right=0))
    expected = reference[there.slices]
    aligned = align(np.where(seen, result.object[area.slices], 0), expected, seen)
    return ring_correlation(np.where(seen, aligned, expected[seen].mean()), expected)


def _curve(rings: RingCorrelation | None) -> tuple[Curve, ...]:
    if rings is None:
        return ()
    step = -(-len(rings.frequency) // RINGS)
    pairs = zip(rings.frequency[::step], rings.value[::step], strict=True)
    points = tuple((round(float(x), 4), round(float(y), 4)) for x, y in pairs if np.isfinite(y))
    if not points:
        return ()
    curve = Curve(
        name="Fourier ring correlation with the reference",
        x_label="spatial frequency / Nyquist",
        y_label="correlation",
        points=points,
    )
    return (curve,)
