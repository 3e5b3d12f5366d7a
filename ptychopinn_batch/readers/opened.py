"""A scan's file and what its spec says of it, put together: one scan in the program's own terms.

open_scan(scan).check()    everything that can be known without reading all frames
open_scan(scan).raw()      the whole scan, its frames still in the file
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
from ptychopinn_batch.data.source import Measurement, RawScan
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.beside import beside_files, with_beside
from ptychopinn_batch.readers.cut import CutFrames
from ptychopinn_batch.readers.placed import PlacedScan
from ptychopinn_batch.readers.registry import find_reader

_log = logging.getLogger(__name__)


def open_scan(scan: Scan) -> OpenScan:
    """The scan that a spec names by its path. UserError where its file cannot be read."""
    path = Path(str(scan.path))
    return OpenScan(with_beside(find_reader(scan).read(path, scan), scan), scan)


def read_scan(scan: Scan) -> RawScan:
    """The scan that a spec names. UserError for whatever is wrong with it."""
    return open_scan(scan).raw()


def input_files(scan: Scan) -> tuple[Path, ...]:
    """Every file whose content decides what is read."""
    own = find_reader(scan).files(Path(str(scan.path)), scan)
    return tuple(dict.fromkeys((*own, *beside_files(scan))))


def reader_id(scan: Scan) -> str:
    """The reader of a scan's file and its revision: they decide what is read, too."""
    reader = find_reader(scan)
    return f"{reader.name} {reader.revision}"


@dataclass(frozen=True)
class OpenScan(PlacedScan):
    """A recording, seen as its spec wants it."""

    @cached_property
    def probe(self) -> NDArray[Any]:
        """Modes (M, n, n), not checked yet."""
        probe = self.recording.probe
        if probe is None:
            what = "there is no probe in this file"
            mend = "Write files.probe: that of another scan with the same optics"
            raise UserError(what, where=self.origin, mend=mend)
        shape = self.recording.pictures.shape
        if self.cut.is_whole(shape) or probe.ndim != 3 or probe.shape[1:] == (self.n, self.n):
            return probe
        whole = shape[1] == shape[2] == probe.shape[1] == probe.shape[2]
        return self.cut.probe(probe) if whole else probe

    @cached_property
    def bad(self) -> NDArray[np.bool_] | None:
        """Bad pixels (H, W) of the detector; None if there are none."""
        bad, shape = self.recording.bad_pixels, self.recording.pictures.shape
        if bad is None:
            return None
        if bad.shape != shape[1:] or bad[self.cut.box].all():
            what = f"a mask of shape {bad.shape} with {np.count_nonzero(bad)} bad pixels"
            mend = f"Give {shape[1]} x {shape[2]} pixels, True where a pixel is bad, some False"
            raise UserError(what, where=self.recording.at("mask"), mend=mend)
        return bad if bad.any() else None

    @cached_property
    def bad_pixels(self) -> NDArray[np.bool_] | None:
        """Bad pixels (n, n) of the frames as they are used."""
        bad = None if self.bad is None else self.cut.mask(self.bad)
        if bad is not None and bad.all():
            what = f"every bin of {self.cut.by} x {self.cut.by} pixels has a bad one"
            raise UserError(what, where=self.recording.at("mask"), mend="Write a smaller bin")
        return bad if bad is not None and bad.any() else None

    @cached_property
    def measurement(self) -> Measurement:
        """What the spec says the numbers are, what the file says, or what they look like."""
        if self.options.measurement != "auto":
            return self.options.measurement
        pictures = self.recording.pictures
        if self.recording.measurement or pictures.dtype.kind in "iu":
            return self.recording.measurement or "counts"
        lit = lit_values(piece.ravel() for piece in self._looked_at())
        found = guess(lit) if len(lit) else "counts"
        if found is None:
            what = "the frames could be counts or amplitudes"
            mend = "Write measurement: counts, or measurement: amplitude"
            raise UserError(what, where=self.recording.at("frames"), mend=mend)
        return found

    @property
    def frames(self) -> CutFrames:
        recording = self.recording
        return CutFrames(
            recording.pictures, self.pairs.rows, self.cut, self.measurement, self.bad, self.origin
        )

    @property
    def index(self) -> NDArray[np.int64]:
        """Number of each frame that is used, as the file has it; zeros where it has none."""
        if self.recording.index is None:
            return np.zeros(len(self.pairs.rows), np.int64)
        return self.recording.index[self.pairs.rows]

    def check(self) -> None:
        """Everything that can be known without reading all frames."""
        self._check_far_field()
        track, at = self.recording.track, self.recording.at("probe")
        _ = self.cut, self.pairs, self.drawing
        check_scan(
            self.positions,
            self.probe,
            self.n,
            positions_at=track.at if track else self.origin,
            probe_at=at,
            unit=self.unit,
        )
        _ = self.bad_pixels, self.measurement

    def raw(self) -> RawScan:
        """The whole scan, its frames still in the file."""
        self.check()
        for note in self.pairs.notes:
            _log.warning("%s: %s", self.origin, note)
        return RawScan(
            frames=self.frames,
            measurement=self.measurement,
            positions=self.positions,
            probe=self.probe.astype(np.complex64),
            scan_index=self.index,
            origin=self.origin,
            bad_pixels=self.bad_pixels,
            reference=self.reference(),
            geometry=self.geometry,
            zero_m=self.zero_m,
            measured_with=self.recording.measured_with,
        )

    def _check_far_field(self) -> None:
        if not self.recording.optics.far_field:
            what = "this is a near-field scan: the file says so"
            mend = "Only far-field scans are understood; correct far_field where it is wrong"
            raise UserError(what, where=self.origin, mend=mend)

    def _looked_at(self) -> Any:
        """The first frames that are used, bad pixels left out, to find out what they are."""
        rows = self.pairs.rows
        good = slice(None) if self.bad is None else ~self.bad[self.cut.box]
        for piece in self.recording.pictures.pieces(
            range(int(rows[0]), int(rows[-1]) + 1), self.cut.box
        ):
            yield piece[:, good]
