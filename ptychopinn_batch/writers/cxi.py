"""Writer of CXI files (1.6), frames and product in one, with the words that Ptychodus adds."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from ptychopinn_batch.data.source import RawScan
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.readers import cxi
from ptychopinn_batch.readers.units import EV
from ptychopinn_batch.writers.counts import Counts
from ptychopinn_batch.writers.placed import PlacedScan, placed
from ptychopinn_batch.writers.ptychodus import comments

VERSION = 160  # 1.6, as the format writes it
BAD = 1  # the bit of a pixel that is not to be used


def write_cxi(raw: RawScan, path: Path) -> None:
    """Write a scan, whole or not at all."""
    scan = placed(raw)
    with whole_file(path) as new, h5py.File(new, "w") as file:
        file["cxi_version"] = VERSION
        _write_detector(file, scan)
        _write_sample(file, scan)
        _write_images(file, scan)


def _write_detector(file: h5py.File, scan: PlacedScan) -> None:
    file[cxi.ENERGY] = scan.geometry.energy_ev * EV
    file[f"{cxi.DETECTOR}/distance"] = scan.geometry.distance_m
    for key in cxi.SIDES:
        file[key] = scan.geometry.detector_pixel_m
    Counts.of(scan.raw).write(file[cxi.DETECTOR], "data")
    file[cxi.FRAMES[0]] = h5py.SoftLink(cxi.FRAMES[1])
    if scan.raw.bad_pixels is not None:
        file[cxi.MASK] = np.where(scan.raw.bad_pixels, BAD, 0).astype(np.uint32)


def _write_sample(file: h5py.File, scan: PlacedScan) -> None:
    file[f"{cxi.ENTRY}/title"] = Path(scan.raw.origin).stem
    file[f"{cxi.ENTRY}/experiment_description"] = comments(scan)
    depth = np.zeros((len(scan.positions_m), 1))
    file[cxi.POSITIONS[0]] = np.hstack([scan.positions_m, depth])
    file[cxi.POSITIONS[1]] = h5py.SoftLink(cxi.POSITIONS[0])
    file[cxi.INDEX] = np.arange(len(scan.index))  # Ptychodus numbers the frames of CXI by rows
    file[cxi.OWN_INDEX] = scan.index


def _write_images(file: h5py.File, scan: PlacedScan) -> None:
    """The probe as image_1, the object as image_2, which CXI gives no place in the world."""
    for number, (kind, array) in enumerate(
        [("amplitude", scan.raw.probe[None]), ("electron density", scan.object[None])], 1
    ):
        image = file.create_group(f"{cxi.ENTRY}/image_{number}")
        image["data"] = array
        image["data_type"], image["data_space"] = kind, "real"
        height, width = array.shape[-2:]
        image["image_size"] = np.array([width, height, 0]) * scan.pixel_m
    for key in (*cxi.OBJECT_PIXEL, *cxi.PROBE_PIXEL):
        file[key] = scan.pixel_m
    for key, centre in zip(cxi.OBJECT_CENTRE, scan.centre_m, strict=True):
        file[key] = centre
    file[f"{cxi.EXTRAS}/probe_photon_count"] = float((np.abs(scan.raw.probe) ** 2).sum())
