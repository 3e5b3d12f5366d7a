"""`amplitude.tiff` and `phase.tiff`: the object's numbers for programs that take images.

OME-TIFF, float32. The pixel size stands in the OME metadata and, for programs that read nothing
else, in the resolution tags. Unseen pixels are NaN. The phase is as it was reconstructed: a global
phase and a plane of it are arbitrary.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import RESUNIT, imwrite

from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.files import whole_file

AMPLITUDE = (
    "amplitude of the object, its square relative to the mean transmission; NaN where no frame "
    "saw it"
)
PHASE = (
    "phase of the object in rad, from -pi to pi; a global phase and a plane are arbitrary; NaN "
    "where no frame saw it"
)


def write_tiffs(result: Result, amplitude: Path, phase: Path) -> None:
    """Write both images, each whole or not at all."""
    write_tiff(result, np.abs(result.object), AMPLITUDE, amplitude)
    write_tiff(result, np.angle(result.object), PHASE, phase)


def write_tiff(result: Result, image: NDArray[Any], about: str, path: Path) -> None:
    """Write an image (H, W) of the object; unseen pixels of it become NaN."""
    values = np.where(result.seen, image, np.nan).astype(np.float32)
    pixel = result.canvas.pixel_size_m
    ome: dict[str, Any] = {"axes": "YX", "Name": result.title, "Description": about}
    scale: dict[str, Any] = {}
    if pixel is not None:
        for axis in "XY":
            ome |= {f"PhysicalSize{axis}": pixel * 1e9, f"PhysicalSize{axis}Unit": "nm"}
        scale = {"resolution": (1e-2 / pixel,) * 2, "resolutionunit": RESUNIT.CENTIMETER}
    with whole_file(path) as new:
        imwrite(new, values, ome=True, metadata=ome, compression="zlib", **scale)
