"""Reader of PtychoPINN's NPZ contract, with the variants that are found in the wild.

    xcoords, ycoords      (K,)            positions in object pixels
    diff3d | diffraction  (K, N, N)       amplitudes or counts, DC at [N // 2, N // 2]
    probeGuess            (N, N) | (M, N, N)  complex
    xcoords_start, ycoords_start, scan_index, objectGuess, bad_pixels    optional

Ptychodus writes the same keys, with counts and a three-dimensional probe.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.checks import check_scan
from ptychopinn_batch.data.measurement import guess, lit_values
from ptychopinn_batch.data.npzfile import NpzFile
from ptychopinn_batch.data.npzframes import Layout, NpzFrames, find_layout
from ptychopinn_batch.data.source import Geometry, Measurement, RawScan
from ptychopinn_batch.jobspec import Scan

FRAME_KEYS = ("diff3d", "diffraction")
PROBE, OBJECT, INDEX, BAD = "probeGuess", "objectGuess", "scan_index", "bad_pixels"
PEEK = 2**16  # numbers read at once to find out what they are

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NpzScan:
    """A scan in an NPZ file, read as far as it is asked for."""

    path: Path
    options: Scan

    @cached_property
    def file(self) -> NpzFile:
        return NpzFile(self.path)

    @cached_property
    def key(self) -> str:
        """Name of the frames array."""
        for key in FRAME_KEYS:
            if key in self.file.keys:
                return key
        raise self._missing(" or ".join(FRAME_KEYS))

    @property
    def position_keys(self) -> tuple[str, str]:
        suffix = "_start" if self.options.positions == "start" else ""
        return f"xcoords{suffix}", f"ycoords{suffix}"

    @cached_property
    def recorded(self) -> NDArray[np.float64]:
        """Positions (K, 2) of all frames in the file, as (x, y): first swapped, then negated."""
        x, y = (self._vector(key) for key in self.position_keys)
        if len(x) != len(y):
            what = f"{len(x)} x but {len(y)} y coordinates"
            raise UserError(what, where=self._positions_at, mend="Give a pair for every frame")
        x, y = (y, x) if self.options.swap_xy else (x, y)
        return np.stack([-x if self.options.flip_x else x, -y if self.options.flip_y else y], 1)

    @cached_property
    def count(self) -> int:
        """Number of frames that are used."""
        wanted, there = self.options.frames, len(self.recorded)
        if wanted and wanted > there:
            what = f"frames: {wanted} asked for, the file has {there}"
            raise UserError(what, where=str(self.path), mend="Write a smaller number of frames")
        return wanted or there

    @property
    def positions(self) -> NDArray[np.float64]:
        return self.recorded[: self.count]

    @cached_property
    def layout(self) -> Layout:
        where = self.file.where(self.key)
        header = self.file.plain_header(self.key)
        if header.dtype.kind not in "iuf" or header.dtype.itemsize > 8:
            what = f"frames are {header.dtype}, not real numbers"
            raise UserError(what, where=where, mend="Give counts or amplitudes")
        return find_layout(header, len(self.recorded), self.options.axis_order, where)

    @property
    def frames(self) -> NpzFrames:
        dtype = self.file.header(self.key).dtype.newbyteorder("=")
        return NpzFrames(self.file, self.key, self.layout, self.count, dtype)

    @cached_property
    def probe(self) -> NDArray[Any]:
        """Modes (M, N, N), not checked yet."""
        probe = self._required(PROBE)
        while probe.ndim > 3 and len(probe) == 1:  # (coherent, incoherent, N, N) of Ptychodus
            probe = probe[0]
        return probe[None] if probe.ndim == 2 else probe

    @cached_property
    def measurement(self) -> Measurement:
        """What the spec says the numbers are, or what they look like."""
        if self.options.measurement != "auto":
            return self.options.measurement
        if self.frames.dtype.kind in "iu":
            return "counts"
        found = guess(lit_values(self.file.chunks(self.key, PEEK)))
        if found is None:
            what = "the frames could be counts or amplitudes"
            mend = "Write measurement: counts, or measurement: amplitude"
            raise UserError(what, where=self.file.where(self.key), mend=mend)
        return found

    @property
    def geometry(self) -> Geometry | None:
        return geometry_of(self.options)

    def check(self) -> None:
        """Everything that can be known without reading all frames."""
        n, at = self.layout.n, self.file.where(PROBE)
        check_scan(self.positions, self.probe, n, positions_at=self._positions_at, probe_at=at)
        _ = self.measurement

    def raw(self) -> RawScan:
        """The whole scan, its frames still in the file."""
        self.check()
        return RawScan(
            frames=self.frames,
            measurement=self.measurement,
            positions=self.positions,
            probe=self.probe.astype(np.complex64),
            scan_index=self._scan_index(),
            origin=str(self.path),
            bad_pixels=self._bad_pixels(),
            reference=self._reference(),
            geometry=self.geometry,
        )

    @property
    def _positions_at(self) -> str:
        return self.file.where(", ".join(self.position_keys))

    def _scan_index(self) -> NDArray[np.int64]:
        if INDEX not in self.file.keys:
            return np.zeros(self.count, np.int64)
        index = self.file.read(INDEX).ravel()
        if len(index) != len(self.recorded) or index.dtype.kind not in "iu":
            what = f"{len(index)} numbers of type {index.dtype} for {len(self.recorded)} frames"
            raise UserError(what, where=self.file.where(INDEX), mend="Give an integer per frame")
        return index[: self.count].astype(np.int64)

    def _bad_pixels(self) -> NDArray[np.bool_] | None:
        if BAD not in self.file.keys:
            return None
        bad, n = self.file.read(BAD), self.layout.n
        if bad.shape != (n, n) or bad.all():
            what = f"a mask of shape {bad.shape} with {np.count_nonzero(bad)} bad pixels"
            mend = f"Give {n} x {n} pixels, True where a pixel is bad, some of them False"
            raise UserError(what, where=self.file.where(BAD), mend=mend)
        return bad.astype(bool) if bad.any() else None

    def _reference(self) -> NDArray[np.complex64] | None:
        """The object of the file, if there is a real one and it lies under the positions."""
        if OBJECT not in self.file.keys or self.file.header(OBJECT).dtype.hasobject:
            return None  # PtychoPINN writes a missing object as a pickled None
        found = self.file.read(OBJECT)
        found = found[0] if found.ndim == 3 and len(found) == 1 else found
        problem = _reference_problem(found, self.positions)
        if problem:
            _log.warning("%s is not used as a reference: %s", self.file.where(OBJECT), problem)
            return None
        return found.astype(np.complex64)

    def _vector(self, key: str) -> NDArray[np.float64]:
        values = self._required(key)
        if values.squeeze().ndim > 1 or values.dtype.kind not in "iuf":
            what = f"coordinates are {values.dtype} of shape {values.shape}"
            raise UserError(what, where=self.file.where(key), mend="Give one number per frame")
        return values.ravel().astype(np.float64)

    def _required(self, key: str) -> NDArray[Any]:
        if key not in self.file.keys:
            raise self._missing(key)
        return self.file.read(key)

    def _missing(self, key: str) -> UserError:
        found = ", ".join(sorted(self.file.keys)) or "no arrays"
        what = f"there is no {key} in this file, which holds {found}"
        return UserError(what, where=str(self.path), mend=f"Add {key}")


def read_npz(path: Path, options: Scan) -> RawScan:
    """The scan in a file, read as the spec says. UserError for whatever is wrong with it."""
    return NpzScan(path, options).raw()


def geometry_of(scan: Scan) -> Geometry | None:
    """The geometry that a spec gives to a scan: all three numbers, or none."""
    if scan.energy_ev is None or scan.distance_m is None or scan.detector_pixel_m is None:
        return None
    return Geometry(
        energy_ev=scan.energy_ev,
        distance_m=scan.distance_m,
        detector_pixel_m=scan.detector_pixel_m,
    )


def _reference_problem(found: NDArray[Any], positions: NDArray[np.float64]) -> str | None:
    if found.ndim != 2 or not np.iscomplexobj(found):
        return f"{found.dtype} of shape {found.shape}, not one complex image"
    if not np.isfinite(found).all():
        return "it is NaN or infinite in places"
    if (found == found[0, 0]).all():
        return "it is the same everywhere"
    if positions.min() < 0 or (positions > np.array(found.shape[::-1]) - 1).any():
        return "positions lie outside of it"
    return None
