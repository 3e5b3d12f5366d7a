"""Reader of NeXus and any other HDF5 files, by the names of datasets that a spec gives.

Without a name the frames are the signal of the file's default NXdata. Units are those of the
datasets' attributes; positions without one need the spec's `position_unit`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Datasets, Files, Scan
from ptychopinn_batch.readers.arrays import indexes, modes_of, paired, pairs, single_object, vector
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.hdf5frames import Hdf5Pictures, find_frames
from ptychopinn_batch.readers.recording import Drawing, Optics, Recording, Track, Unit
from ptychopinn_batch.readers.sniff import is_hdf5
from ptychopinn_batch.readers.units import check_optics, position_unit

MOST_NAMED = 6


@dataclass(frozen=True)
class Hdf5Reader:
    """`format: hdf5`."""

    name: str = "hdf5"
    title: str = "NeXus and other HDF5, datasets named in the spec"
    revision: int = 1

    def recognises(self, path: Path) -> bool:
        return path.is_file() and is_hdf5(path)

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        frames = _frames_file(path, options)
        keys = frames.matching(_frames_key(frames, _names(options)))
        linked = [one for key in keys for one in frames.companions(key)]
        return tuple(dict.fromkeys((path, frames.path, *linked)))

    def read(self, path: Path, options: Scan) -> Recording:
        names, file, frames = _names(options), Hdf5File(path), _frames_file(path, options)
        key = _frames_key(frames, names)
        pictures = find_frames(frames, key)
        track = find_track(file, options.model_copy(update={"datasets": names}), pictures)
        return Recording(
            format=self.name,
            path=path,
            pictures=pictures,
            track=track,
            probe=modes_of(file.read(names.probe)) if names.probe else None,
            index=indexes(file.read(names.index), file.where(names.index)) if names.index else None,
            bad_pixels=np.asarray(file.read(names.mask) != 0) if names.mask else None,
            optics=_optics(file, names),
            drawing=_drawing(file, names) if track and track.unit == "px" else None,
            where={
                "frames": frames.where(key),
                "probe": file.where(names.probe or ""),
                "mask": file.where(names.mask or ""),
            },
        )


def find_track(file: Hdf5File, options: Scan, pictures: Hdf5Pictures | None = None) -> Track | None:
    """Positions by the names in a spec; None where it names none.

    x and y may be those of a grid's columns and rows.
    """
    names = options.datasets or Datasets()
    if names.positions:
        key, where = names.positions, file.where(names.positions)
        xy = pairs(file.read(key), where)
        unit, factor = _unit(file, key, options)
        return Track(xy * factor, unit, where)
    if names.x is None and names.y is None:
        return None
    if names.x is None or names.y is None:
        missing = "x" if names.x is None else "y"
        raise UserError(
            f"datasets names {'y' if names.x is None else 'x'} but not {missing}",
            where=str(file.path),
            mend=f"Write datasets.{missing}",
        )
    return _from_axes(file, (names.x, names.y), options, pictures)


def _from_axes(
    file: Hdf5File, keys: tuple[str, str], options: Scan, pictures: Hdf5Pictures | None
) -> Track:
    axes, where = [_axis(file, key) for key in keys], file.where(", ".join(keys))
    units = [_unit(file, key, options) for key in keys]
    x, y = (axis * factor for axis, (_, factor) in zip(axes, units, strict=True))
    if units[0][0] != units[1][0]:
        raise UserError("one is in pixels, one is not", where=where, mend="Write position_unit")
    grid = pictures.grid if pictures else None
    if grid and (len(y), len(x)) == grid and len(x) * len(y) == pictures_count(pictures):
        y, x = (one.ravel() for one in np.meshgrid(y, x, indexing="ij"))
    return Track(paired(x, y, where), units[0][0], where)


def pictures_count(pictures: Hdf5Pictures | None) -> int:
    """Frames in all."""
    return pictures.shape[0] if pictures else 0


def _axis(file: Hdf5File, key: str) -> NDArray[np.float64]:
    """x or y: of every frame, or (rows, columns) of a grid."""
    found = file.read(key)
    flat = found.ravel() if found.ndim == 2 else found
    return vector(flat, "positions", file.where(key))


def _unit(file: Hdf5File, key: str, options: Scan) -> tuple[Unit, float]:
    """Pixels or metres, and what to multiply by. What the spec says counts."""
    word = file.unit(key) if options.position_unit == "auto" else options.position_unit
    return position_unit(word, file.where(key))


def _names(options: Scan) -> Datasets:
    """Names in the scan's own file: not of what the spec gives in other files."""
    names, elsewhere = options.datasets or Datasets(), options.files or Files()
    lost = {key: None for key in ("probe", "mask") if getattr(elsewhere, key)}
    if elsewhere.positions:
        lost |= dict.fromkeys(("positions", "x", "y"))
    return names.model_copy(update=lost)


def _frames_file(path: Path, options: Scan) -> Hdf5File:
    return Hdf5File(Path(options.files.frames) if options.files and options.files.frames else path)


def _frames_key(file: Hdf5File, names: Datasets) -> str:
    key = names.frames or _default_signal(file)
    if key is None:
        named = ", ".join(_candidates(file)[:MOST_NAMED])
        mend = f"Write datasets.frames; perhaps {named}" if named else "It holds no stack of frames"
        raise UserError("it does not say where its frames are", where=str(file.path), mend=mend)
    return key


def _candidates(file: Hdf5File) -> list[str]:
    """What may be frames: stacks, or else what lies in other files, as detectors write them."""
    stacks = [e for e in file.entries() if len(e.shape) in (3, 4) and e.dtype.kind in "iuf"]
    linked = dict.fromkeys(re.sub(r"\d+$", "*", key) for key in file.links())
    return [f"{e.key} {e.shape}" for e in stacks] or list(linked)


def _default_signal(file: Hdf5File) -> str | None:
    """What NeXus says to plot first: @default of the file and of its entry, then @signal."""
    path = "/"
    for _ in range(4):
        signal = file.text(path, "signal")
        if signal:
            return f"{path.rstrip('/')}/{signal}"
        step = file.text(path, "default")
        if not step:
            return None
        path = f"{path.rstrip('/')}/{step}"
    return None


def _optics(file: Hdf5File, names: Datasets) -> Optics:
    found = Optics(
        energy_ev=_number(file, names.energy, lambda key: file.energy(key, "ev")),
        distance_m=_number(file, names.distance, file.length),
        detector_pixel_m=_number(file, names.detector_pixel, file.length),
    )
    return check_optics(found, str(file.path))


def _number(file: Hdf5File, key: str | None, read: Callable[[str], float | None]) -> float | None:
    """The number of a name that the spec gives; None where it gives none."""
    value = None if key is None else read(key)
    if key is not None and value is None:
        what = "there is no such dataset"
        raise UserError(what, where=file.where(key), mend="Correct its name")
    return value


def _drawing(file: Hdf5File, names: Datasets) -> Drawing | None:
    if names.object is None:
        return None
    key, shape = names.object, file.entry(names.object).shape
    if len(shape) not in (2, 3) or math.prod(shape[:-2]) != 1:
        what = f"the object is an array of shape {shape}"
        raise UserError(what, where=file.where(key), mend="Give rows x columns")

    def read() -> Any:
        return single_object(file.read(key))

    return Drawing((shape[-2], shape[-1]), read, file.where(key))
