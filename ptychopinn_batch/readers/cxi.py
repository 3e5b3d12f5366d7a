"""Reader of CXI files (Coherent X-ray Imaging Data Bank, 1.6), as Ptychodus and PyNX write them.

    data_1/data | instrument_1/detector_1/data          frames (K, H, W), or of a grid
    sample_1/geometry_1/translation | data_1/translation    positions (K, 2 or 3) in metres
    instrument_1/source_1/energy                        in joules, as CXI has it
    instrument_1/detector_1/{distance, x_pixel_size, y_pixel_size, mask}
    image_1/data | instrument_1/source_1/illumination   the probe
    image_2/data                                        the object

all below /entry_1. Below /entry_1/ptychodus lie indexes, pixel and place of the object, where
Ptychodus wrote the file. It numbers frames by their rows, whatever their positions' indexes are.
Frames and product may be two files, diffraction.cxi and product.cxi. Positions are taken as they
stand, +x along columns and +y along rows, as Ptychodus does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.arrays import indexes, modes_of, single_object, vector
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.hdf5frames import Hdf5Pictures, find_frames
from ptychopinn_batch.readers.recording import Drawing, Optics, Recording, Track
from ptychopinn_batch.readers.sniff import hdf5_names
from ptychopinn_batch.readers.units import check_optics, square_side

ENTRY = "/entry_1"
FRAMES = (f"{ENTRY}/data_1/data", f"{ENTRY}/instrument_1/detector_1/data")
POSITIONS = (
    f"{ENTRY}/sample_1/geometry_1/translation",
    f"{ENTRY}/data_1/translation",
    f"{ENTRY}/instrument_1/data_1/translation",
)
PROBES = (f"{ENTRY}/image_1/data", f"{ENTRY}/instrument_1/source_1/illumination")
OBJECT = f"{ENTRY}/image_2/data"
ENERGY = f"{ENTRY}/instrument_1/source_1/energy"
DETECTOR = f"{ENTRY}/instrument_1/detector_1"
MASK = f"{DETECTOR}/mask"
SIDES = (f"{DETECTOR}/x_pixel_size", f"{DETECTOR}/y_pixel_size")
EXTRAS = f"{ENTRY}/ptychodus"
INDEX = f"{EXTRAS}/probe_position_indexes"
OWN_INDEX = f"{ENTRY}/ptychopinn_batch/scan_index"
OBJECT_PIXEL = (f"{EXTRAS}/object_pixel_width_m", f"{EXTRAS}/object_pixel_height_m")
PROBE_PIXEL = (f"{EXTRAS}/probe_pixel_width_m", f"{EXTRAS}/probe_pixel_height_m")
OBJECT_CENTRE = (f"{EXTRAS}/object_center_x_m", f"{EXTRAS}/object_center_y_m")
PARTNERS = ("diffraction.cxi", "product.cxi")


@dataclass(frozen=True)
class CxiReader:
    """`format: cxi`."""

    name: str = "cxi"
    title: str = "CXI, in one file or as diffraction.cxi with product.cxi"
    revision: int = 1

    def recognises(self, path: Path) -> bool:
        names = hdf5_names(path) or frozenset()
        return "cxi_version" in names or (path.suffix.lower() == ".cxi" and "entry_1" in names)

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        frames, rest = _files(path, options)
        linked = Hdf5File(frames).companions(_frames_key(Hdf5File(frames)))
        return tuple(dict.fromkeys((frames, rest, *linked)))

    def read(self, path: Path, options: Scan) -> Recording:
        frames, rest = (Hdf5File(one) for one in _files(path, options))
        key = _frames_key(frames)
        pictures = find_frames(frames, key)
        probe_at, index, count = _first(rest, PROBES), _index(rest), pictures.shape[0]
        return Recording(
            format=self.name,
            path=path,
            pictures=pictures,
            track=_paired(_track(rest), index, count),
            probe=None if probe_at is None else modes_of(rest.read(probe_at)),
            index=index if index is not None and len(index) == count else None,
            bad_pixels=_mask(frames, pictures),
            measurement="counts",
            optics=_optics(frames, rest),
            drawing=_drawing(rest),
            where={
                "frames": frames.where(key),
                "probe": rest.where(probe_at or PROBES[0]),
                "mask": frames.where(MASK),
            },
        )


def _files(path: Path, options: Scan) -> tuple[Path, Path]:
    """The file with frames, and that with all else: often the same."""
    if options.files and options.files.frames:
        return Path(options.files.frames), path
    file = Hdf5File(path)
    if _first(file, FRAMES) is None:
        return _partner(path, PARTNERS[0]) or path, path
    if _first(file, POSITIONS) is None:
        return path, _partner(path, PARTNERS[1]) or path
    return path, path


def _partner(path: Path, name: str) -> Path | None:
    beside = path.parent / name
    return beside if beside.is_file() and beside != path else None


def _frames_key(file: Hdf5File) -> str:
    key = _first(file, FRAMES)
    if key is None:
        what = f"there are no frames: neither {FRAMES[0]} nor {FRAMES[1]}"
        mend = "Put diffraction.cxi beside it, or write files.frames"
        raise UserError(what, where=str(file.path), mend=mend)
    return key


def _first(file: Hdf5File, keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if file.has(key)), None)


def _track(file: Hdf5File) -> Track | None:
    key = _first(file, POSITIONS)
    if key is None:
        return None
    found = file.read(key)
    if found.ndim != 2 or found.shape[1] not in (2, 3):
        what = f"translations are an array of shape {found.shape}"
        raise UserError(what, where=file.where(key), mend="Give frames x 3 metres")
    xy = np.stack([vector(found[:, axis], "positions", file.where(key)) for axis in (0, 1)], 1)
    return Track(xy, "m", file.where(key))


def _paired(track: Track | None, index: NDArray[np.int64] | None, count: int) -> Track | None:
    """As many positions as frames go row by row; others by index, frames numbered from 0."""
    if track is None or index is None or len(track.xy) == count:
        return track
    if len(index) != len(track.xy):
        what = f"{len(index)} indexes for {len(track.xy)} positions"
        raise UserError(what, where=track.at, mend="Give one for each")
    return replace(track, index=index)


def _index(file: Hdf5File) -> NDArray[np.int64] | None:
    """Numbers of the positions, which those of the frames are too where there are as many."""
    key = _first(file, (OWN_INDEX, INDEX))
    return None if key is None else indexes(file.read(key), file.where(key))


def _optics(frames: Hdf5File, rest: Hdf5File) -> Optics:
    def either(number: Any) -> float | None:
        found = number(frames)
        return number(rest) if found is None else found

    sides = [either(lambda file, key=key: file.length(key)) for key in SIDES]
    found = Optics(
        energy_ev=either(lambda file: file.energy(ENERGY, "j")),
        distance_m=either(lambda file: file.length(f"{DETECTOR}/distance")),
        detector_pixel_m=square_side(sides, frames.where(SIDES[0])),
    )
    return check_optics(found, str(rest.path))


def _mask(file: Hdf5File, pictures: Hdf5Pictures) -> NDArray[np.bool_] | None:
    """Any bit set marks a bad pixel; of masks for every frame the pixels bad in any of them."""
    if not file.has(MASK):
        return None
    bad = np.asarray(file.read(MASK) != 0)
    return np.asarray(bad.any(0)) if bad.ndim == 3 and len(bad) == pictures.shape[0] else bad


def _drawing(file: Hdf5File) -> Drawing | None:
    """The object, where the file says how it lies: pixels and place are Ptychodus' own words."""
    if not file.has(OBJECT):
        return None
    shape = file.entry(OBJECT).shape
    numbers = [file.scalar(key) for key in (*OBJECT_PIXEL, *OBJECT_CENTRE)]
    if len(shape) not in (2, 3) or shape[:-2] not in ((), (1,)) or None in numbers:
        return None
    width, height, x, y = (float(number) for number in numbers if number is not None)
    zero = x - width * (shape[-1] - 1) / 2, y - height * (shape[-2] - 1) / 2
    return Drawing(
        shape=(shape[-2], shape[-1]),
        read=lambda: single_object(file.read(OBJECT)),
        at=file.where(OBJECT),
        pixel_m=(width, height),
        zero_m=zero,
    )
