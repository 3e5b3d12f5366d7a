"""Readers of what Ptychodus writes as results: its folders, and products as HDF5 or NPZ.

    product.h5      object, probe, positions in metres, energy, distance
    diffraction.h5  patterns (counts), their indexes, detector pixel, bad pixels

Frames and positions are paired by index. Positions count from the middle of the object, index
(N - 1) / 2 (Ptychodus 1.6 and later). The words are those of Ptychodus 1.7; the energy is found
under its older name too. Folders of checkpoints have product.000100.h5: the last one is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpc.errors import UserError
from ptychopinn_batch.jobspec import Scan
from ptychopinn_batch.readers.arrays import indexes, modes_of, paired, single_object, vector
from ptychopinn_batch.readers.hdf5file import Hdf5File
from ptychopinn_batch.readers.hdf5frames import find_frames
from ptychopinn_batch.readers.product import Hdf5Product, NpzProduct, Product
from ptychopinn_batch.readers.recording import Drawing, Optics, Recording, Track
from ptychopinn_batch.readers.sniff import hdf5_names, last_checkpoint, npz_keys
from ptychopinn_batch.readers.units import check_optics, square_side

PRODUCT, DIFFRACTION = "product.h5", "diffraction.h5"
POSITIONS = ("probe_position_x_m", "probe_position_y_m")
INDEX = "probe_position_indexes"
NOMINAL = "NOMINAL GEOMETRY"  # in the comments of products that we wrote without knowing one
MEASURED_WITH = (  # told to who gets the result
    "exposure_time_s",
    "mass_attenuation_m2_per_kg",
    "tomography_angle_deg",
    "tilt_angle_deg",
    "focus_object_distance_m",
)

_BOTH = "Put product.h5 and diffraction.h5 into one folder, or write files.frames"


@dataclass(frozen=True)
class PtychodusReader:
    """`format: ptychodus`: the folder, or one of its two files."""

    name: str = "ptychodus"
    title: str = "Ptychodus: product.h5 with diffraction.h5"
    revision: int = 2

    def recognises(self, path: Path) -> bool:
        if path.is_dir():
            return _product_in(path) is not None or (path / DIFFRACTION).is_file()
        names = hdf5_names(path) or frozenset()
        return {"object", INDEX} <= names or {"patterns", "indexes"} <= names

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        return _pair_of(path, options)

    def read(self, path: Path, options: Scan) -> Recording:
        product, frames = _pair_of(path, options)
        return recording(self.name, path, Hdf5Product(product), frames)


@dataclass(frozen=True)
class PtychodusNpzReader:
    """`format: ptychodus_npz`: a product as NPZ, its frames in a diffraction.h5 beside it."""

    name: str = "ptychodus_npz"
    title: str = "Ptychodus product as NPZ, with diffraction.h5"
    revision: int = 2

    def recognises(self, path: Path) -> bool:
        return {"object", INDEX} <= (npz_keys(path) or frozenset())

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        return (path, _frames_of(path, options))

    def read(self, path: Path, options: Scan) -> Recording:
        return recording(self.name, path, NpzProduct(path), _frames_of(path, options))


def recording(format_: str, path: Path, product: Product, frames: Path) -> Recording:
    """A product and its frames."""
    diffraction = Hdf5File(frames)
    pictures = find_frames(diffraction, "patterns")
    if len(pictures.entries[0].shape) != 3:
        what = f"patterns are an array of shape {pictures.entries[0].shape}"
        raise UserError(what, where=diffraction.where("patterns"), mend="Give N x rows x columns")
    layers, drawing = _drawing(product)
    index = indexes(diffraction.read("indexes"), diffraction.where("indexes"))
    return Recording(
        format=format_,
        path=path,
        pictures=pictures,
        track=_track(product),
        probe=modes_of(product.array("probe")),
        index=index,
        bad_pixels=np.asarray(diffraction.read("bad_pixels") != 0),
        measurement="counts",
        optics=_optics(product, diffraction),
        drawing=drawing,
        notes=tuple(_notes(product, layers)),
        where={
            "frames": diffraction.where("patterns"),
            "probe": product.where("probe"),
            "mask": diffraction.where("bad_pixels"),
        },
        measured_with=_measured_with(product),
    )


def _notes(product: Product, layers: int) -> Iterator[str]:
    if layers > 1:
        yield f"its object has {layers} layers: it is not used as a reference"
    if NOMINAL in (product.text("comments") or ""):
        yield "its geometry is nominal, for none was known: lengths in metres mean nothing"


def _pair_of(path: Path, options: Scan) -> tuple[Path, Path]:
    """Product and frames, from the folder or from either."""
    if path.is_dir():
        product = _product_in(path)
        if product is None:
            raise UserError("there is no product.h5 in it", where=str(path), mend=_BOTH)
        return product, _frames_of(product, options)
    if {"patterns", "indexes"} <= (hdf5_names(path) or frozenset()):
        product = _product_in(path.parent)
        if product is None:
            what = "this file holds frames only, and there is no product.h5 beside it"
            raise UserError(what, where=str(path), mend=_BOTH)
        return product, path
    return path, _frames_of(path, options)


def _product_in(folder: Path) -> Path | None:
    """`product.h5`, else the last checkpoint."""
    if (folder / PRODUCT).is_file():
        return folder / PRODUCT
    return last_checkpoint(folder)


def _frames_of(product: Path, options: Scan) -> Path:
    if options.files and options.files.frames:
        return Path(options.files.frames)
    beside = product.parent / DIFFRACTION
    if not beside.is_file():
        what = f"this product has no frames: there is no {DIFFRACTION} beside it"
        raise UserError(what, where=str(product), mend=_BOTH)
    return beside


def _track(product: Product) -> Track:
    x, y = (vector(product.array(key), "positions", product.where(key)) for key in POSITIONS)
    where = f"{product.path} {', '.join(POSITIONS)}"
    index = indexes(product.array(INDEX), product.where(INDEX))
    if not len(x) == len(y) == len(index):
        what = f"{len(index)} indexes, {len(x)} x and {len(y)} y coordinates"
        raise UserError(what, where=where, mend="Save the product again: one of each per frame")
    return Track(paired(x, y, where), "m", where, index)


def _optics(product: Product, diffraction: Hdf5File) -> Optics:
    energy = product.number("photon_energy_eV")
    names = ("detector_pixel_width_m", "detector_pixel_height_m")
    sides = [diffraction.attribute("patterns", name) for name in names]
    found = Optics(
        energy_ev=product.number("probe_energy_eV") if energy is None else energy,
        distance_m=product.number("detector_object_distance_m"),
        detector_pixel_m=square_side(sides, diffraction.where("patterns")),
        far_field=product.number("far_field") != 0,
    )
    return check_optics(found, str(product.path))


def _measured_with(product: Product) -> dict[str, float]:
    found = {word: product.number(word) for word in MEASURED_WITH}
    return {word: x for word, x in found.items() if x is not None and math.isfinite(x)}


def _drawing(product: Product) -> tuple[int, Drawing | None]:
    """Layers of the object, and the object where it has one."""
    shape = product.shape("object")
    if len(shape) not in (2, 3):
        what = f"the object is an array of shape {shape}"
        raise UserError(what, where=product.where("object"), mend="Give rows x columns")
    if len(shape) == 3 and shape[0] != 1:
        return shape[0], None
    words = ("pixel_width_m", "pixel_height_m", "center_x_m", "center_y_m")
    numbers = [product.number(f"object_{word}") for word in words]
    missing = [word for word, number in zip(words, numbers, strict=True) if number is None]
    if missing:
        what = f"the object lacks {' and '.join(missing)}"
        raise UserError(what, where=product.where("object"), mend="Save the product again")
    width, height, x, y = (float(number) for number in numbers if number is not None)
    zero = x - width * (shape[-1] - 1) / 2, y - height * (shape[-2] - 1) / 2
    return 1, Drawing(
        shape=(shape[-2], shape[-1]),
        read=lambda: single_object(product.array("object")),
        at=product.where("object"),
        pixel_m=(width, height),
        zero_m=zero,
    )
