"""What is found in a scan's file, and whether it will reconstruct.

Definitions. Overlap: 1 - step / diameter, with the median distance of nearest neighbours and the
diameter of the circle that holds 90 % of the probe's light. Coverage: frames that light a pixel, on
average over what they light. Oversampling of the detector: frame size / diameter, both in object
pixels (2 where speckles are resolved). Redundancy: measured numbers for each unknown one,
K N^2 / (2 x lit pixels): ptychography needs more than 1. Fresnel number: diameter^2 / (wavelength x
distance): from 1 on the detector is in the near field, where a frame is no diffraction pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from scipy.spatial import cKDTree

from hpc.errors import UserError
from hpc.record import Record
from ptychopinn_batch.data.checks import NEIGHBOURS_LOOKED_AT, check_probe, lit_diameter
from ptychopinn_batch.data.intake import Dose, Intake
from ptychopinn_batch.data.source import PLANCK_LIGHT, Geometry, block_size, canvas_of
from ptychopinn_batch.jobspec import GEOMETRY, Scan
from ptychopinn_batch.readers.cut import CutFrames
from ptychopinn_batch.readers.opened import OpenScan, open_scan
from ptychopinn_batch.readers.registry import find_reader

LOOKED_AT = 256  # frames whose dose is measured, unless all are asked for
SPARSE = 0.5  # overlap below which a reconstruction is doubtful
FEW_PHOTONS = 100.0  # in a frame
NEAR = 1.0  # Fresnel number

T = TypeVar("T")


class Inspection(Record):
    """Everything that was found, None where it could not be; lengths in metres and pixels (_px).

    problems: why it will not reconstruct; warnings: why it may do so badly; notes: what else a user
    should know; missing: what the file lacks.
    """

    path: str
    format: str
    frames_in_file: tuple[int, int, int]
    dtype: str
    frames: int | None = None
    frame_px: int | None = None
    measurement: str | None = None
    looked_at: int = 0
    photons: float | None = None
    brightest_pixel: float | None = None
    bad_pixels: int | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | None = None
    object_pixel_m: float | None = None
    position_unit: str | None = None
    span_px: tuple[float, float] | None = None
    step_px: float | None = None
    canvas_px: tuple[int, int] | None = None
    modes: int | None = None
    probe_diameter_px: float | None = None
    overlap: float | None = None
    coverage: float | None = None
    oversampling: float | None = None
    redundancy: float | None = None
    fresnel_number: float | None = None
    object_px: tuple[int, int] | None = None
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether it will reconstruct, in a few words."""
        if self.problems:
            return "This scan will not reconstruct as it is"
        return "This scan may reconstruct badly" if self.warnings else "This scan will reconstruct"


def inspect_scan(scan: Scan, *, every_frame: bool = False) -> Inspection:
    """Look at a scan's file. UserError only where it cannot be read at all.

    Frames are looked at up to `LOOKED_AT`, or all of them.
    """
    opened = open_scan(scan)
    return _Look(opened, every_frame).inspection(find_reader(scan).title)


@dataclass(frozen=True)
class _Look:
    """One look at a scan; what goes wrong on the way is kept, once each."""

    scan: OpenScan
    every_frame: bool

    def inspection(self, title: str) -> Inspection:
        recording = self.scan.recording
        measures = {**self._positions(), **self._light(), **self._dose(), **self._sampling()}
        self._attempt(self.scan.check)
        return Inspection(
            path=self.scan.origin,
            format=title,
            frames_in_file=recording.pictures.shape,
            dtype=str(recording.pictures.dtype),
            **self._geometry(),
            **measures,
            object_px=recording.drawing.shape if recording.drawing else None,
            missing=tuple(self._missing()),
            problems=tuple(dict.fromkeys((*self._near_field(), *self.mistakes))),
            warnings=tuple(self._warnings()),
            notes=(*recording.notes, *(self.pairs.notes if self.pairs else ())),
        )

    @cached_property
    def mistakes(self) -> list[str]:
        return []

    def _attempt(self, what: Callable[[], T]) -> T | None:
        """A value, or None and a mistake kept."""
        try:
            return what()
        except UserError as error:
            self.mistakes.append(str(error))
            return None

    @cached_property
    def pairs(self) -> Any:
        return self._attempt(lambda: self.scan.pairs)

    @cached_property
    def geometry(self) -> Geometry | None:
        return self._attempt(lambda: self.scan.geometry)

    @cached_property
    def xy(self) -> Any:
        """Positions (K, 2) in pixels, where there are some and all are numbers."""
        found = self._attempt(lambda: self.scan.positions) if self.pairs else None
        return found if found is not None and len(found) > 1 and np.isfinite(found).all() else None

    @cached_property
    def n(self) -> int | None:
        return self._attempt(lambda: self.scan.n)

    @cached_property
    def diameter(self) -> float | None:
        probe = self._attempt(self._checked_probe) if self.n else None
        return None if probe is None else lit_diameter(probe)

    def _checked_probe(self) -> Any:
        check_probe(self.scan.probe, self.scan.n, self.scan.recording.at("probe"))
        return self.scan.probe

    @cached_property
    def step(self) -> float | None:
        if self.xy is None:
            return None
        some = self.xy[:: -(-len(self.xy) // NEIGHBOURS_LOOKED_AT)]
        return float(np.median(cKDTree(self.xy).query(some, k=[2])[0]))

    @cached_property
    def lit_pixels(self) -> float | None:
        """Pixels of the canvas that some frame lights: discs of the probe's diameter, joined."""
        if self.xy is None or self.diameter is None:
            return None
        return lit_area(self.xy, self.diameter / 2)

    @cached_property
    def dose(self) -> tuple[int, Dose] | None:
        """Frames that were looked at, and their light."""
        if not (self.n and self.pairs and len(self.pairs.rows)):
            return None
        return self._attempt(self._measured)

    def _measured(self) -> tuple[int, Dose]:
        scan, rows = self.scan, self.pairs.rows
        rows = rows if self.every_frame else rows[:LOOKED_AT]
        frames = CutFrames(
            scan.recording.pictures, rows, scan.cut, scan.measurement, scan.bad, scan.origin
        )
        good = None if scan.bad_pixels is None else ~scan.bad_pixels
        intake = Intake(len(rows), scan.measurement, good, scan.origin)
        for block in frames.blocks(block_size(frames.n)):
            intake.take(block)
        return len(rows), intake.dose()

    def _geometry(self) -> dict[str, Any]:
        pixel = self.geometry.pixel_size(self.n) if self.geometry and self.n else None
        return {**self.scan.measured, "object_pixel_m": pixel}

    def _positions(self) -> dict[str, Any]:
        found: dict[str, Any] = {"frame_px": self.n}
        if self.pairs:
            found |= {"frames": len(self.pairs.rows), "position_unit": self.scan.unit}
        if self.xy is not None and self.n and np.abs(self.xy).max() < 2**31:
            canvas = canvas_of(self.xy, self.n, None)
            found["canvas_px"] = (canvas.height, canvas.width)
            found["span_px"] = tuple(float(side) for side in np.ptp(self.xy, axis=0))
        return {**found, "step_px": self.step}

    def _light(self) -> dict[str, Any]:
        if self.diameter is None:
            return {}
        found: dict[str, Any] = {
            "modes": len(self.scan.probe),
            "probe_diameter_px": self.diameter,
            "fresnel_number": self.fresnel,
        }
        if self.step is not None:
            found["overlap"] = 1 - self.step / self.diameter
        return found

    @property
    def fresnel(self) -> float | None:
        if self.geometry is None or self.diameter is None or self.n is None:
            return None
        size = self.diameter * self.geometry.pixel_size(self.n)
        return size**2 * self.geometry.energy_ev / (PLANCK_LIGHT * self.geometry.distance_m)

    def _dose(self) -> dict[str, Any]:
        bad = self._attempt(lambda: self.scan.bad_pixels) if self.n else None
        found: dict[str, Any] = {"bad_pixels": 0 if bad is None else int(np.count_nonzero(bad))}
        if self.dose:
            looked_at, dose = self.dose
            found |= {
                "measurement": self.scan.measurement,
                "looked_at": looked_at,
                "photons": dose.photons,
                "brightest_pixel": dose.amplitude_max**2,
            }
        return found

    def _sampling(self) -> dict[str, Any]:
        if self.diameter is None or not self.n:
            return {}
        found: dict[str, Any] = {"oversampling": self.n / self.diameter}
        if self.lit_pixels:
            count = len(self.pairs.rows)
            found["coverage"] = count * np.pi / 4 * self.diameter**2 / self.lit_pixels
            found["redundancy"] = count * self.n**2 / (2 * self.lit_pixels)
        return found

    def _missing(self) -> Iterator[str]:
        recording = self.scan.recording
        if recording.track is None:
            yield "positions"
        if recording.probe is None:
            yield "probe"
        yield from (key for key in GEOMETRY if self.scan.measured[key] is None)

    def _near_field(self) -> Iterator[str]:
        fresnel = self.fresnel
        if not self.scan.recording.optics.far_field:
            yield "This is a near-field scan: the file says so. Only far-field scans are understood"
        elif fresnel is not None and fresnel >= NEAR:
            yield (
                f"This is a near-field scan: its Fresnel number is {fresnel:.3g} (1 and more: a "
                "frame is no diffraction pattern). Only far-field scans are understood"
            )

    def _warnings(self) -> Iterator[str]:
        if self.step is not None and self.diameter is not None:
            overlap = 1 - self.step / self.diameter
            if 0 < overlap < SPARSE:
                yield f"neighbours overlap by {overlap:.0%} only: 60 % and more is usual"
        if self.dose and self.dose[1].photons < FEW_PHOTONS:
            yield (
                f"a frame holds {self.dose[1].photons:.3g} photons only; or its numbers are "
                "normalised, and their noise is unknown"
            )
        if self.diameter and self.n and self.diameter > self.n / np.sqrt(2):
            yield "the probe fills its frame: waves leave it and come back on the other side"


def lit_area(xy: Any, radius: float) -> float:
    """Area of the union of discs, in pixels, on a grid of a quarter of their radius."""
    side = max(radius / 4, np.ptp(xy, axis=0).max() / 2000)
    cells = np.unique(np.floor(xy / side).astype(np.int64), axis=0)
    reach = int(np.ceil(radius / side))
    steps = np.arange(-reach, reach + 1)
    disc = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    disc = disc[(disc**2).sum(1) * side**2 <= radius**2]
    cells = cells - cells.min(0)
    width = int(cells[:, 1].max()) + 2 * reach + 1
    lit = np.zeros((int(cells[:, 0].max()) + 2 * reach + 1) * width, bool)
    for row, column in disc + reach:
        lit[(cells[:, 0] + row) * width + cells[:, 1] + column] = True
    return float(np.count_nonzero(lit)) * side**2
