"""From what Ptychodus hands to a reconstructor to a folder that ptychopinn-batch reads, and back.

Scan indexes, positions in metres and metadata come back as they went. Object, probe and
`probe_photon_count` are ours: sum |probe|^2 is the measured mean of counts per frame. The loss is
R, the squared misfit of amplitudes divided by their energy, after the last step.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from ptychodus.api.assemble import AssembledDiffractionData
from ptychodus.api.geometry import PixelGeometry
from ptychodus.api.io import StandardFileLayout, load_product, save_diffraction_data, save_product
from ptychodus.api.probe_positions import ProbePositionSequence
from ptychodus.api.product import LossValue, Product
from ptychodus.api.reconstruct import ReconstructInput

Complex = NDArray[np.complexfloating]


def write_input(parameters: ReconstructInput, folder: Path) -> None:
    """`product.h5` and `diffraction.h5`, one position for every pattern."""
    if not parameters.product.metadata.far_field:
        raise ValueError("ptychopinn-batch reconstructs far-field data only, this is near-field")
    check_frames(parameters.diffraction_patterns.shape)
    folder.mkdir(parents=True)
    frames = AssembledDiffractionData(
        parameters.product.probe_positions.get_indexes(),
        parameters.diffraction_patterns,
        detector_pixel(parameters),
        parameters.bad_pixels,
    )
    save_diffraction_data(StandardFileLayout.DIFFRACTION.path(folder), frames)
    save_product(StandardFileLayout.PRODUCT.path(folder), parameters.product)


def check_frames(shape: tuple[int, ...]) -> None:
    """ValueError unless frames go in whole: parts of them make other pixels than the dataset's."""
    height, width = shape[-2:]
    if height != width or width % 2:
        raise ValueError(
            f"Frames are {height} x {width} pixels: crop them in Ptychodus to a square of even size"
        )


def detector_pixel(parameters: ReconstructInput) -> PixelGeometry:
    """The detector's pitch, which is not handed over: that which gives the object its pixels."""
    height, width = parameters.diffraction_patterns.shape[-2:]
    metadata, pixel = parameters.product.metadata, parameters.product.object_.get_pixel_geometry()
    if not (pixel.width_m > 0 and pixel.height_m > 0):
        raise ValueError("The object has no pixel size: bind the product to its diffraction data")
    reach = metadata.photon_wavelength_m * abs(metadata.detector_distance_m)
    return PixelGeometry(
        width_m=reach / (width * pixel.width_m), height_m=reach / (height * pixel.height_m)
    )


def read_result(folder: Path, given: Product, steps: int) -> Product:
    """What was reconstructed from a product."""
    found = load_product(StandardFileLayout.PRODUCT.path(folder))
    residual = json.loads((folder / "metrics.json").read_text())["R"]
    return Product(
        metadata=replace(
            given.metadata,
            comments=comments(given.metadata.comments, found.metadata.comments),
            probe_photon_count=energy_of(found),
        ),
        probe_positions=as_given(found, given),
        probes=found.probes,
        object_=found.object_,
        losses=[LossValue(steps, residual)],
    )


def comments(given: str, found: str) -> str:
    """Both; of a product that had been here before, not what was said then."""
    others = given.partition(found.split("\n")[0])[0].strip()
    return f"{others}\n{found}".strip()


def as_given(found: Product, given: Product) -> ProbePositionSequence:
    """The positions that were given, to the last digit and with their counts."""
    by_index = {position.index: position for position in given.probe_positions}
    return ProbePositionSequence([by_index[p.index] for p in found.probe_positions])


def energy_of(product: Product) -> float:
    """Sum |probe|^2, all modes together."""
    return float((np.abs(product.probes.get_probe_no_opr().get_array()) ** 2).sum())


def on_the_canvas_of(given: Product, found: Product) -> Complex:
    """The object found, on the pixels of that which was given and for the probe that was given.

    Both canvases have the same pixels up to a fraction, which is left: an object is never
    interpolated. Where only the given one reaches it is 1, as where nothing is.
    """
    mine, theirs = found.object_.get_geometry(), given.object_.get_geometry()
    shift = [
        (mine.center_y_m - theirs.center_y_m) / theirs.pixel_height_m
        + (theirs.height_px - mine.height_px) / 2,
        (mine.center_x_m - theirs.center_x_m) / theirs.pixel_width_m
        + (theirs.width_px - mine.width_px) / 2,
    ]
    row, column = (round(value) for value in shift)
    canvas = np.ones((theirs.height_px, theirs.width_px), np.complex64)
    inside = found.object_.get_layer(0)
    top, left = max(-row, 0), max(-column, 0)
    part = inside[top : theirs.height_px - row, left : theirs.width_px - column]
    canvas[row + top :, column + left :][: part.shape[0], : part.shape[1]] = part
    return np.asarray(canvas * np.sqrt(energy_of(found) / energy_of(given)))
