"""Reader of PtychoPINN's NPZ contract, with the variants that are found in the wild.

    xcoords, ycoords      (K,)            positions in object pixels
    diff3d | diffraction  (K, N, N)       amplitudes or counts, DC at [N // 2, N // 2]
    probeGuess            (N, N) | (M, N, N)  complex
    xcoords_start, ycoords_start, scan_index, objectGuess, bad_pixels    optional

Ptychodus writes the same keys as training data, with counts and a three-dimensional probe, and
counts positions from the middle of a patch. Files of our own also say what PtychoPINN leaves open:
measurement, energy, distance, detector pixel, and where pixel (0, 0) lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.source import Measurement, patch_middle
from ptychopinn_batch.jobspec import Files, Scan
from ptychopinn_batch.readers.arrays import modes_of, paired, pairs, single_object, vector
from ptychopinn_batch.readers.limits import check_numbers
from ptychopinn_batch.readers.npzfile import NpzFile
from ptychopinn_batch.readers.npzframes import NpzPictures, find_layout
from ptychopinn_batch.readers.recording import Drawing, Optics, Recording, Track, Unit
from ptychopinn_batch.readers.sniff import npz_keys
from ptychopinn_batch.readers.units import check_optics, position_unit

FRAME_KEYS = ("diff3d", "diffraction")
PROBE, OBJECT, INDEX, BAD = "probeGuess", "objectGuess", "scan_index", "bad_pixels"

# What our own files say besides. Ptychodus reads the second to fourth of them too.
MEASUREMENT = "measurement"
ENERGY, DISTANCE, PIXEL = "photon_energy_eV", "detector_distance_m", "detector_pixel_size_m"
ZERO = ("zero_x_m", "zero_y_m")

FRAMES = " or ".join(FRAME_KEYS)
_OR = {
    FRAMES: ", or name them in datasets.frames",
    PROBE: ", or write datasets.probe or files.probe",
    "xcoords": ", or write datasets.positions, datasets.x and y, or files.positions",
}


@dataclass(frozen=True)
class PtychoPinnReader:
    """`format: ptychopinn`. Arrays of other names are those that `datasets` names."""

    name: str = "ptychopinn"
    title: str = "PtychoPINN NPZ, training data of Ptychodus as NPZ, or any NPZ with `datasets`"
    revision: int = 2  # 2: datasets and position_unit count

    def recognises(self, path: Path) -> bool:
        keys = npz_keys(path)
        return keys is not None and not keys.isdisjoint({*FRAME_KEYS, "xcoords", PROBE})

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        return (path,)

    def read(self, path: Path, options: Scan) -> Recording:
        return _NpzScan(NpzFile(path), options).recording()


@dataclass(frozen=True)
class _NpzScan:
    """A scan in an NPZ file, read as far as it is asked for."""

    file: NpzFile
    options: Scan

    def recording(self) -> Recording:
        pictures, drawing = self.pictures, self._drawing()
        return Recording(
            format="ptychopinn",
            path=self.file.path,
            pictures=pictures,
            track=self._track(),
            probe=self.probe,
            index=self._index(),
            bad_pixels=self._bad_pixels(),
            measurement=self._measurement(),
            optics=self._optics(),
            drawing=drawing,
            zero_m=self._zero(),
            where={
                "frames": self.file.where(self.key),
                "probe": self.file.where(self._named("probe", PROBE)),
                "mask": self.file.where(self._named("mask", BAD)),
            },
        )

    @cached_property
    def key(self) -> str:
        """Name of the frames array."""
        for usual in FRAME_KEYS:
            if key := self._found("frames", usual):
                return key
        raise self._missing(FRAMES)

    def _named(self, part: str, usual: str) -> str:
        """The name of an array: as the spec gives it, else that of PtychoPINN."""
        return getattr(self.options.datasets, part, None) or usual

    def _found(self, part: str, usual: str) -> str | None:
        """The same, None where there is none of the usual name; UserError of a given one."""
        name = self._named(part, usual)
        if name in self.file.keys:
            return name
        if name != usual:
            raise self._missing(name)
        return None

    @property
    def position_keys(self) -> tuple[str, ...]:
        """Of one array of both, or of x and y."""
        suffix = "_start" if self.options.positions == "start" else ""
        both = self._named("positions", "")
        x, y = self._named("x", f"xcoords{suffix}"), self._named("y", f"ycoords{suffix}")
        return (both,) if both else (x, y)

    @cached_property
    def recorded(self) -> NDArray[np.float64]:
        """Positions (K, 2) of the file, as (x, y)."""
        if len(self.position_keys) == 1:
            return pairs(self._required(self.position_keys[0]), self._positions_at)
        x, y = (
            vector(self._required(key), "positions", self.file.where(key))
            for key in self.position_keys
        )
        return paired(x, y, self._positions_at)

    def _track(self) -> Track | None:
        """Under pixel N // 2 of a patch; Ptychodus' own lie under its middle."""
        if self.elsewhere.positions:
            return None
        unit, factor = self._unit
        is_shifted = self.is_of_ptychodus and unit == "px"
        shift = patch_middle(self.pictures.shape[-1]) if is_shifted else 0.0
        return Track(self.recorded * factor + shift, unit, self._positions_at)

    @property
    def _unit(self) -> tuple[Unit, float]:
        """Pixels, unless the spec says otherwise."""
        word = self.options.position_unit
        return position_unit("px" if word == "auto" else word, self._positions_at)

    @property
    def elsewhere(self) -> Files:
        """What the spec gives in other files, and this one need not have."""
        return self.options.files or Files()

    @cached_property
    def is_of_ptychodus(self) -> bool:
        """Whether Ptychodus wrote this file: with a mask, an axis of modes and one scan only."""
        index = self._index()
        return (
            {BAD, PROBE} <= self.file.keys
            and MEASUREMENT not in self.file.keys
            and len(self.file.header(PROBE).shape) == 3
            and index is not None
            and not index.any()
        )

    @cached_property
    def pictures(self) -> NpzPictures:
        where = self.file.where(self.key)
        header = self.file.plain_header(self.key)
        check_numbers(header.dtype, "frames", where)
        frames = None if self.elsewhere.positions else len(self.recorded)
        layout = find_layout(header, frames, self._axis_order, where)
        return NpzPictures(self.file, self.key, layout, header.dtype.newbyteorder("="))

    @property
    def _axis_order(self) -> str:
        """As the spec says; what we wrote ourselves needs no guess from lengths."""
        asked = self.options.axis_order
        return "frames_first" if asked == "auto" and MEASUREMENT in self.file.keys else asked

    @cached_property
    def probe(self) -> NDArray[Any] | None:
        """Modes (M, N, N), not checked yet."""
        if self.elsewhere.probe:
            return None
        return modes_of(self._required(self._named("probe", PROBE)))

    def _measurement(self) -> Measurement | None:
        word = self.file.word(MEASUREMENT)
        if word == "counts" or self.pictures.dtype.kind in "iu":
            return "counts"
        return "amplitude" if word == "amplitude" else None

    def _optics(self) -> Optics:
        usual = {"energy": ENERGY, "distance": DISTANCE, "detector_pixel": PIXEL}
        found = (self._found(*item) for item in usual.items())
        energy, distance, pixel = (None if key is None else self.file.scalar(key) for key in found)
        return check_optics(Optics(energy, distance, pixel), str(self.file.path))

    def _zero(self) -> tuple[float, float] | None:
        x, y = (self.file.scalar(key) for key in ZERO)
        return None if x is None or y is None else (x, y)

    @property
    def _positions_at(self) -> str:
        return self.file.where(", ".join(self.position_keys))

    def _index(self) -> NDArray[np.int64] | None:
        key = self._found("index", INDEX)
        if key is None:
            return None
        index, count = self.file.read(key).ravel(), self.pictures.shape[0]
        if len(index) != count or index.dtype.kind not in "iu":
            what = f"{len(index)} numbers of type {index.dtype} for {count} frames"
            raise UserError(what, where=self.file.where(key), mend="Give an integer per frame")
        return index.astype(np.int64)

    def _bad_pixels(self) -> NDArray[np.bool_] | None:
        key = self._found("mask", BAD)
        return None if key is None else np.asarray(self.file.read(key) != 0)

    def _drawing(self) -> Drawing | None:
        """The object, if there is one: PtychoPINN writes a missing one as a pickled None."""
        key = self._found("object", OBJECT)
        if key is None or self._unit[0] != "px":
            return None
        header = self.file.header(key)
        if header.dtype.hasobject or len(header.shape) not in (2, 3):
            return None
        shape = header.shape[-2], header.shape[-1]
        return Drawing(shape, lambda: single_object(self.file.read(key)), self.file.where(key))

    def _required(self, key: str) -> NDArray[Any]:
        if key not in self.file.keys:
            raise self._missing(key)
        return self.file.read(key)

    def _missing(self, key: str) -> UserError:
        found = ", ".join(sorted(self.file.keys)) or "no arrays"
        what = f"there is no {key} in this file, which holds {found}"
        return UserError(what, where=str(self.file.path), mend=f"Add {key}{_OR.get(key, '')}")
