"""Writers for Ptychodus: its folder of product.h5 and diffraction.h5, and its training data."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from ptychopinn_batch.data.source import RawScan
from ptychopinn_batch.exports.ptychodus import FRAMES_NOTE, NOMINAL_NOTE, Product, write_hdf5
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.readers.ptychodus import DIFFRACTION, PRODUCT
from ptychopinn_batch.writers.counts import Counts
from ptychopinn_batch.writers.placed import PlacedScan, placed


def write_ptychodus_folder(raw: RawScan, folder: Path) -> None:
    """Both files, each whole or not at all; what else is in the folder stays."""
    scan = placed(raw)
    _write_diffraction(scan, folder / DIFFRACTION)
    write_hdf5(product_of(scan), folder / PRODUCT)


def product_of(scan: PlacedScan) -> Product:
    """The product of a scan that was not reconstructed here: its reference is the object."""
    sides = {"pixel_width_m": scan.pixel_m, "pixel_height_m": scan.pixel_m}
    x, y = scan.positions_m.T
    return Product(
        scalars={
            "name": Path(scan.raw.origin).stem,
            "comments": comments(scan),
            "detector_object_distance_m": scan.geometry.distance_m,
            "photon_energy_eV": scan.geometry.energy_ev,
            "probe_energy_eV": scan.geometry.energy_ev,
            "probe_photon_count": float((np.abs(scan.raw.probe) ** 2).sum()),
            "exposure_time_s": 0.0,
            "mass_attenuation_m2_per_kg": 0.0,
            "tomography_angle_deg": 0.0,
            **scan.raw.measured_with,
        },
        arrays={
            "probe_position_indexes": scan.index,
            "probe_position_x_m": x,
            "probe_position_y_m": y,
            "object_layer_spacing_m": np.zeros(0),
            "loss_epochs": np.zeros(0, np.int64),
            "loss_values": np.zeros(0),
        },
        object=scan.object,
        object_geometry={**sides, "center_x_m": scan.centre_m[0], "center_y_m": scan.centre_m[1]},
        probe=scan.raw.probe,
        probe_geometry=sides,
    )


def comments(scan: PlacedScan) -> str:
    """What a reader should know of a converted scan."""
    lines = [f"Converted by ptychopinn-batch from {scan.raw.origin}."]
    if scan.raw.reference is None:
        lines.append("The object is not known: 1 + 0j everywhere.")
    return "\n".join(lines + [NOMINAL_NOTE] * scan.is_nominal)


def write_ptychodus_training(raw: RawScan, path: Path) -> None:
    """Training data as HDF5: positions in pixels of the object, under the middle of a patch."""
    scan = placed(raw)
    x, y = scan.middle_px.T
    with whole_file(path) as new, h5py.File(new, "w") as file:
        Counts.of(raw).write(file, "patterns")
        file["bad_pixels"] = _bad_pixels(raw)
        file["probe"] = raw.probe
        file["object"] = scan.object
        file["probe_position_x_px"] = x
        file["probe_position_y_px"] = y
        file["object_pixel_width_m"] = file["object_pixel_height_m"] = scan.pixel_m
        file["detector_object_distance_m"] = scan.geometry.distance_m
        file["photon_energy_eV"] = scan.geometry.energy_ev


def _write_diffraction(scan: PlacedScan, path: Path) -> None:
    pitch = scan.geometry.detector_pixel_m
    with whole_file(path) as new, h5py.File(new, "w") as file:
        patterns = Counts.of(scan.raw).write(file, "patterns")
        patterns.attrs.update(detector_pixel_width_m=pitch, detector_pixel_height_m=pitch)
        file.attrs["comments"] = FRAMES_NOTE
        file["indexes"] = scan.index
        file["bad_pixels"] = _bad_pixels(scan.raw)


def _bad_pixels(raw: RawScan) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    n = raw.frames.n
    return np.zeros((n, n), bool) if raw.bad_pixels is None else raw.bad_pixels
