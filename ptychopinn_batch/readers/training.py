"""Reader of Ptychodus' training data as HDF5: one file with everything in it.

Positions are object pixels under the middle of a patch, scan indexes are lost, and the detector's
pixel follows from the object's: pitch = wavelength * distance / (N * object pixel).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpc.errors import UserError
from ptychopinn_batch.data.source import PLANCK_LIGHT, patch_middle
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.arrays import modes_of, paired, single_object, vector
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.hdf5frames import find_frames
from ptychopinn_batch.readers.recording import Drawing, Optics, Recording, Track
from ptychopinn_batch.readers.sniff import hdf5_names
from ptychopinn_batch.readers.units import check_optics, square_side

POSITIONS = ("probe_position_x_px", "probe_position_y_px")
SIDES = ("object_pixel_width_m", "object_pixel_height_m")
ENERGY, DISTANCE = "photon_energy_eV", "detector_object_distance_m"


@dataclass(frozen=True)
class PtychodusTrainingReader:
    """`format: ptychodus_training`."""

    name: str = "ptychodus_training"
    title: str = "Ptychodus training data as HDF5"
    revision: int = 1

    def recognises(self, path: Path) -> bool:
        return {"patterns", *POSITIONS} <= (hdf5_names(path) or frozenset())

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        return (path,)

    def read(self, path: Path, options: Scan) -> Recording:
        file = Hdf5File(path)
        pictures = find_frames(file, "patterns")
        n, drawing = pictures.shape[-1], _drawing(file)
        return Recording(
            format=self.name,
            path=path,
            pictures=pictures,
            track=Track(_positions(file) + patch_middle(n), "px", file.where(", ".join(POSITIONS))),
            probe=modes_of(file.read("probe")),
            bad_pixels=np.asarray(file.read("bad_pixels") != 0),
            measurement="counts",
            optics=_optics(file, n),
            drawing=drawing,
            zero_m=_zero(file, drawing.shape),
            where={
                "frames": file.where("patterns"),
                "probe": file.where("probe"),
                "mask": file.where("bad_pixels"),
            },
        )


def _positions(file: Hdf5File) -> NDArray[np.float64]:
    x, y = (vector(file.read(key), "positions", file.where(key)) for key in POSITIONS)
    return paired(x, y, file.where(", ".join(POSITIONS)))


def _optics(file: Hdf5File, n: int) -> Optics:
    energy, distance = file.energy(ENERGY, "ev"), file.length(DISTANCE)
    side = square_side([file.length(key) for key in SIDES], file.where(SIDES[0]))
    pitch = None
    if energy and distance and side:
        pitch = PLANCK_LIGHT / energy * distance / (n * side)
    return check_optics(Optics(energy, distance, pitch), str(file.path))


def _zero(file: Hdf5File, shape: tuple[int, int]) -> tuple[float, float] | None:
    """Where the object's first pixel lies: its middle is the origin (Ptychodus' own reader)."""
    x, y = (file.length(key) for key in SIDES)
    return None if x is None or y is None else (-x * (shape[1] - 1) / 2, -y * (shape[0] - 1) / 2)


def _drawing(file: Hdf5File) -> Drawing:
    shape = file.entry("object").shape
    if len(shape) not in (2, 3):
        what = f"the object is an array of shape {shape}"
        raise UserError(what, where=file.where("object"), mend="Give rows x columns")
    return Drawing(
        shape=(shape[-2], shape[-1]),
        read=lambda: single_object(file.read("object")),
        at=file.where("object"),
    )
