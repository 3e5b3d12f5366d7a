"""A look at a scan's file: everything is measured that can be, and what cannot be is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.checks import check_probe, lit_diameter, reach_of, step_between
from ptychopinn_batch.data.intake import Dose, Intake
from ptychopinn_batch.data.source import PLANCK_LIGHT, Geometry, block_size, canvas_of
from ptychopinn_batch.inspection.area import lit_area
from ptychopinn_batch.inspection.doubts import near_field, warnings
from ptychopinn_batch.inspection.record import Inspection
from ptychopinn_batch.jobspec import GEOMETRY, Scan
from ptychopinn_batch.readers.cut import CutFrames
from ptychopinn_batch.readers.opened import OpenScan, open_scan
from ptychopinn_batch.readers.pairing import Pairs
from ptychopinn_batch.readers.placed import reference_problem
from ptychopinn_batch.readers.recording import Drawing
from ptychopinn_batch.readers.registry import find_reader

LOOKED_AT = 256  # frames whose dose is measured, unless all are asked for

T = TypeVar("T")


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
            object_px=None if self.drawing is None else self.drawing.shape,
            missing=tuple(self._missing()),
            problems=tuple(dict.fromkeys((*self._near_field(), *self.mistakes))),
            warnings=tuple(self._doubts()),
            notes=tuple(self._notes()),
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
    def pairs(self) -> Pairs | None:
        return self._attempt(lambda: self.scan.pairs)

    @cached_property
    def geometry(self) -> Geometry | None:
        return self._attempt(lambda: self.scan.geometry)

    @cached_property
    def xy(self) -> NDArray[np.float64] | None:
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

    def _checked_probe(self) -> NDArray[np.complexfloating[Any, Any]]:
        check_probe(self.scan.probe, self.scan.n, self.scan.recording.at("probe"))
        return self.scan.probe

    @cached_property
    def step(self) -> float | None:
        if self.xy is None:
            return None
        return step_between(self.xy)

    @cached_property
    def lit_pixels(self) -> float | None:
        """Pixels of the canvas that some frame lights: discs of the probe's diameter, joined."""
        if self.xy is None or self.diameter is None:
            return None
        return lit_area(self.xy, self.diameter / 2)

    @cached_property
    def drawing(self) -> Drawing | None:
        """The object that the positions lie on, where it tells something."""
        return None if self.object_problem else self._attempt(lambda: self.scan.drawing)

    @cached_property
    def object_problem(self) -> str | None:
        """Why there is an object that is not used."""
        found, xy = self._attempt(lambda: self.scan.drawing), self.xy
        if found is None or xy is None:
            return None
        return self._attempt(lambda: reference_problem(found.read(), xy))

    @cached_property
    def dose(self) -> tuple[int, Dose] | None:
        """Frames that were looked at, and their light."""
        if not (self.n and self.pairs and len(self.pairs.rows)):
            return None
        rows = self.pairs.rows if self.every_frame else self.pairs.rows[:LOOKED_AT]
        return self._attempt(lambda: self._measured(rows))

    def _measured(self, rows: NDArray[np.int64]) -> tuple[int, Dose]:
        scan = self.scan
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
        return found if self.overlap is None else {**found, "overlap": self.overlap}

    @property
    def overlap(self) -> float | None:
        if self.step is None or self.diameter is None:
            return None
        return 1 - self.step / self.diameter

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
        if self.lit_pixels and self.xy is not None:
            count = len(self.xy)
            found["coverage"] = count * np.pi / 4 * self.diameter**2 / self.lit_pixels
            found["redundancy"] = count * self.n**2 / (2 * self.lit_pixels)
        return found

    def _notes(self) -> Iterator[str]:
        yield from self.scan.recording.notes
        if self.pairs:
            yield from self.pairs.notes
        if self.object_problem:
            yield f"its object is not used as a reference: {self.object_problem}"

    def _missing(self) -> Iterator[str]:
        recording = self.scan.recording
        if recording.track is None:
            yield "positions"
        if recording.probe is None:
            yield "probe"
        yield from (key for key in GEOMETRY if self.scan.measured[key] is None)

    def _near_field(self) -> Iterator[str]:
        far_field, given = self.scan.recording.optics.far_field, self.geometry
        energy = given.energy_ev if given else None
        return near_field(self.fresnel, said_far=far_field, energy_ev=energy)

    def _strays(self) -> Iterator[str]:
        if self.xy is None or not self.n:
            return
        middle, reach = reach_of(self.xy, self.n)
        rows = np.flatnonzero(np.abs(self.xy - middle).max(1) > reach)
        if len(rows):
            x, y = self.xy[rows[0]]
            yield (
                f"{len(rows)} of {len(self.xy)} frames lie far from all others, such as number "
                f"{rows[0]} at ({x:.6g}, {y:.6g}) pixels: the canvas grows with that"
            )

    def _doubts(self) -> Iterator[str]:
        photons = self.dose[1].photons if self.dose else None
        yield from self._strays()
        yield from warnings(overlap=self.overlap, photons=photons, diameter=self.diameter, n=self.n)
