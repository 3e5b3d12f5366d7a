"""Where the frames of a recording lie, in the object pixels that they make: positions, and object.

What a spec says of geometry and positions stands before what the file says.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.source import Geometry, patch_middle
from ptychopinn_batch.jobspec import GEOMETRY, Scan
from ptychopinn_batch.readers.cut import Cut, find_cut
from ptychopinn_batch.readers.pairing import Pairs, paired
from ptychopinn_batch.readers.recording import Drawing, Recording
from ptychopinn_batch.readers.units import PLAUSIBLE

SAME_PIXEL = 1e-3  # relative difference of object pixels that are still the same

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlacedScan:
    """A recording and what its spec says of it, as far as places go."""

    recording: Recording
    options: Scan

    @cached_property
    def cut(self) -> Cut:
        return find_cut(self.recording.pictures.shape, self.options, self.recording.at("frames"))

    @property
    def n(self) -> int:
        return self.cut.n

    @property
    def origin(self) -> str:
        return str(self.recording.path)

    @cached_property
    def measured(self) -> dict[str, float | None]:
        """The geometry by its keys: what the spec says, else what the file says."""
        own = {key: getattr(self.options, key) for key in GEOMETRY}
        return {
            key: getattr(self.recording.optics, key) if value is None else value
            for key, value in own.items()
        }

    @cached_property
    def geometry(self) -> Geometry | None:
        """The geometry of the frames as they are used; None where any of it is unknown.

        UserError where the spec gives a part of it that nobody completes.
        """
        energy, distance, pixel = (self.measured[key] for key in GEOMETRY)
        if energy is None or distance is None or pixel is None:
            self._check_partial()
            return None
        return Geometry(
            energy_ev=energy, distance_m=distance, detector_pixel_m=pixel * self.options.bin
        )

    @cached_property
    def pairs(self) -> Pairs:
        """The frames that are used, and their positions as the file has them."""
        pairs = paired(self.recording)
        rows, xy = pairs.rows, pairs.xy
        if self.options.select:
            chosen = np.zeros(self.recording.pictures.shape[0], bool)
            chosen[self.options.selection] = True
            rows, xy = rows[chosen[rows]], xy[chosen[rows]]
        wanted = self.options.frames
        if wanted and wanted > len(rows):
            what = f"frames: {wanted} asked for, the file has {len(rows)}"
            raise UserError(what, where=self.origin, mend="Write a smaller number of frames")
        return Pairs(rows[:wanted], xy[:wanted], pairs.notes)

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        """Positions (K, 2) as (x, y) in object pixels, under patch pixel n // 2."""
        xy = self.pairs.xy
        if self.is_turned:
            xy = turned(xy, self.options)
        if self.unit == "px":
            return xy * self._pixel_ratio
        pixel, zero = self.pixel_m, (0.0, 0.0)
        if drawing := self.drawing:
            pixel, zero = np.array(drawing.pixel_m), drawing.zero_m or zero
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray((xy - zero) / pixel + patch_middle(self.n))

    @property
    def unit(self) -> str:
        """Of the positions: of the file, or that the spec gives to plain numbers."""
        return self.recording.track.unit if self.recording.track else "px"

    @property
    def is_turned(self) -> bool:
        """Whether positions are changed before they are used, so that they leave the object."""
        options = self.options
        return options.swap_xy or options.flip_x or options.flip_y or options.rotation != 0

    @property
    def pixel_m(self) -> Any:
        """Side of an object pixel, by far-field sampling. UserError where the geometry lacks."""
        if self.geometry is None:
            missing = [key for key in GEOMETRY if self.measured[key] is None]
            what = f"positions are in metres, but the file does not give {' and '.join(missing)}"
            raise UserError(what, where=self.origin, mend=f"Write {', '.join(missing)}")
        return self.geometry.pixel_size(self.n)

    @property
    def zero_m(self) -> tuple[float, float] | None:
        """Metres of scan pixel (0, 0)."""
        if self.unit == "m":
            return self.drawing.zero_m if self.drawing else (0.0, 0.0)
        same = self.cut.is_whole(self.recording.pictures.shape) and not self.is_turned
        return self.recording.zero_m if same and self.geometry else None

    @cached_property
    def drawing(self) -> Drawing | None:
        """The file's object, where positions still are those of its pixels.

        UserError where it has other pixels than the frames make: then some unit is wrong.
        """
        drawing = self.recording.drawing
        whole = self.cut.is_whole(self.recording.pictures.shape)
        if drawing is None or self.is_turned or not whole:
            return None
        if drawing.pixel_m and self.geometry:
            self._check_pixels(drawing, drawing.pixel_m)
        return drawing

    def reference(self) -> NDArray[np.complex64] | None:
        """The file's object, where it is one and lies under the positions."""
        drawing = self.drawing
        if drawing is None:
            return None
        found = drawing.read()
        problem = reference_problem(found, self.positions)
        if problem:
            _log.warning("%s is not used as a reference: %s", drawing.at, problem)
            return None
        return found.astype(np.complex64)

    def _check_partial(self) -> None:
        """Positions in metres need all of it: of those, `pixel_m` tells what is missing."""
        missing = [key for key in GEOMETRY if self.measured[key] is None]
        partial = any(getattr(self.options, key) is not None for key in GEOMETRY)
        if partial and self.unit != "m":
            what = f"the geometry lacks {' and '.join(missing)}"
            mend = f"Write all three of {', '.join(GEOMETRY)}, or none"
            raise UserError(what, where=self.origin, mend=mend)

    @property
    def _pixel_ratio(self) -> float:
        """Object pixels of the file in those that a cropped detector makes."""
        height, width = self.recording.pictures.shape[1:]
        if height != width:
            what = f"positions are in pixels, but those of frames of {height} x {width}"
            mend = "Give positions in metres"
            raise UserError(what, where=self.recording.at("frames"), mend=mend)
        return self.cut.size / width

    def _check_pixels(self, drawing: Drawing, pixel_m: tuple[float, float]) -> None:
        sampled = self.pixel_m
        if all(abs(side - sampled) <= SAME_PIXEL * sampled for side in pixel_m):
            return
        what = (
            f"its pixels are {pixel_m[0]:.4g} m x {pixel_m[1]:.4g} m, but energy, distance and "
            f"detector make them {sampled:.4g} m"
        )
        mend = f"Correct what is wrong, or write {', '.join(PLAUSIBLE)} in the spec"
        raise UserError(what, where=drawing.at, mend=mend)


def turned(xy: NDArray[np.float64], options: Scan) -> NDArray[np.float64]:
    """Positions first swapped, then negated, then turned by an angle from x towards y."""
    x, y = (xy[:, 1], xy[:, 0]) if options.swap_xy else (xy[:, 0], xy[:, 1])
    x, y = -x if options.flip_x else x, -y if options.flip_y else y
    angle = np.deg2rad(options.rotation)
    if options.rotation == 0:
        return np.stack([x, y], 1)
    return np.stack(
        [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], 1
    )


def reference_problem(found: NDArray[Any], positions: NDArray[np.float64]) -> str | None:
    """Why an object is no reference for these positions; None if it is."""
    if found.ndim != 2 or not np.iscomplexobj(found):
        return f"{found.dtype} of shape {found.shape}, not one complex image"
    if not np.isfinite(found).all():
        return "it is NaN or infinite in places"
    if (found == found[0, 0]).all():
        return "it is the same everywhere"
    if positions.min() < 0 or (positions > np.array(found.shape[::-1]) - 1).any():
        return "positions lie outside of it"
    return None
