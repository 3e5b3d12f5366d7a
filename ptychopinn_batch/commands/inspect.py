"""`inspect`: what is in a scan's file, and will it reconstruct?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ptychopinn_batch.commands.scanoptions import scan_of, sets_option
from ptychopinn_batch.quantities import length

if TYPE_CHECKING:
    from ptychopinn_batch.inspection import Inspection


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@sets_option
@click.option("--all", "every_frame", is_flag=True, help="Look at all frames, not only the first.")
@click.option("--json", "as_json", is_flag=True, help="Print the same for programs.")
def inspect(file: Path, sets: tuple[str, ...], every_frame: bool, as_json: bool) -> None:
    """Tell what is in FILE, a scan in any format: shapes, units, dose, sampling, overlap, what is
    missing, and whether it will reconstruct.

    Example: ptychopinn-batch inspect scan.nxs --set datasets.frames=/entry/data/data
    """
    from ptychopinn_batch.inspection import inspect_scan

    found = inspect_scan(scan_of(file, sets), every_frame=every_frame)
    click.echo(found.model_dump_json(indent=2) if as_json else "\n".join(_lines(found)))


def _lines(found: Inspection) -> Iterator[str]:
    yield f"{found.path}: {found.format}"
    for label, text in _facts(found):
        if text:
            yield f"  {label:<13} {text}"
    if found.missing:
        yield f"  {'missing':<13} {', '.join(found.missing)}"
    yield ""
    reasons = found.problems or found.warnings
    yield found.verdict + (":" if reasons else ".")
    yield from (f"  - {text}" for text in reasons)
    yield from (f"Note: {text}." for text in found.notes)


def _facts(found: Inspection) -> Iterator[tuple[str, str]]:
    count, height, width = found.frames_in_file
    yield "frames", f"{count} of {height} x {width} pixels, {found.dtype}"
    used = found.frames is not None and found.frame_px is not None
    if used and (found.frames, found.frame_px, found.frame_px) != found.frames_in_file:
        yield "used", f"{found.frames} of {found.frame_px} x {found.frame_px} pixels"
    yield "numbers", _numbers(found)
    yield "bad pixels", f"{found.bad_pixels}" if found.bad_pixels else ""
    yield "geometry", _geometry(found)
    yield "object pixel", _length(found.object_pixel_m)
    yield "positions", _positions(found)
    if found.canvas_px:
        yield "canvas", f"{found.canvas_px[0]} x {found.canvas_px[1]} pixels"
    if found.probe_diameter_px is not None:
        modes = f"{found.modes} mode{'s' * (found.modes != 1)}"
        yield "probe", f"{modes}, 90 % of its light within {found.probe_diameter_px:.1f} px"
    yield "sampling", _sampling(found)
    if found.object_px:
        yield "object", f"{found.object_px[0]} x {found.object_px[1]} pixels"


def _numbers(found: Inspection) -> str:
    if found.photons is None:
        return ""
    looked_at = "all" if found.looked_at == found.frames else f"the first {found.looked_at}"
    return (
        f"{found.measurement}; {found.photons:.4g} photons a frame, up to "
        f"{found.brightest_pixel:.4g} in a pixel (of {looked_at} frames)"
    )


def _geometry(found: Inspection) -> str:
    parts = (
        None if found.energy_ev is None else f"{found.energy_ev:.6g} eV",
        None if found.distance_m is None else f"{found.distance_m:.6g} m to the detector",
        None if found.detector_pixel_m is None else f"pixels of {_length(found.detector_pixel_m)}",
    )
    return ", ".join(part for part in parts if part)


def _positions(found: Inspection) -> str:
    if found.span_px is None:
        return ""
    unit = "metres" if found.position_unit == "m" else "pixels"
    x, y = found.span_px
    return f"in {unit}; they span {x:.1f} x {y:.1f} px, neighbours {found.step_px:.2f} px apart"


def _sampling(found: Inspection) -> str:
    parts = (
        None if found.overlap is None else f"overlap {found.overlap:.0%}",
        None if found.coverage is None else f"{found.coverage:.1f} frames on a pixel",
        None if found.oversampling is None else f"detector oversampling {found.oversampling:.2g}",
        None if found.redundancy is None else f"redundancy {found.redundancy:.2g}",
        None if found.fresnel_number is None else f"Fresnel number {found.fresnel_number:.2g}",
    )
    return ", ".join(part for part in parts if part)


def _length(metres: float | None) -> str:
    return "" if metres is None else length(metres, digits=4)
