"""Products that Ptychodus opens: `product.h5`, `product.npz` and `diffraction.h5`.

The keys are those of Ptychodus 1.7 (`ptychodus.api.io`, `npz_product_file`); files carry the
energy under its old name too, so that versions from 1.2 on read them. Ptychodus counts positions
from array index (N - 1) / 2, in metres, and pairs frames with positions by scan index. It shows a
product only together with `diffraction.h5`, and cannot use NaN: unseen pixels are 1 + 0j here, and
an extra `object_seen` tells which they are. Positions of a scan that came in metres leave in the
same metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.data.source import Geometry, patch_middle
from ptychopinn_batch.exports.result import Counts, Floats, Result
from ptychopinn_batch.files import whole_file
from ptychopinn_batch.objectstore import Complex
from ptychopinn_batch.readers import ptychodus

# Assumed where the scan does not say.
NOMINAL = Geometry(energy_ev=8000.0, distance_m=0.75, detector_pixel_m=75e-6)
NOMINAL_NOTE = (
    f"{ptychodus.NOMINAL}: the scan states none; {NOMINAL.energy_ev:g} eV, "
    f"{NOMINAL.distance_m:g} m and detector pixels of {NOMINAL.detector_pixel_m:g} m are assumed, "
    "so lengths in metres are nominal too."
)
FRAMES_NOTE = "patterns in counts, DC at index N // 2; bad pixels are 0. Lengths in metres."
BLOCK_BYTES = 2**26  # frames held in memory while they are written


@dataclass(frozen=True)
class Product:
    """What a product file holds: root scalars, arrays, and the geometry of object and probe."""

    scalars: dict[str, float | str]
    arrays: dict[str, NDArray[Any]]
    object: Complex
    object_geometry: dict[str, float]
    probe: Complex
    probe_geometry: dict[str, float]


def product_of(result: Result) -> Product:
    """The product of a result: positions in metres from the centre of the object."""
    pixel = geometry_of(result).pixel_size(result.store.info.n)
    geometry = {"pixel_width_m": pixel, "pixel_height_m": pixel}
    x, y = centre_m(result)
    return Product(
        scalars=_scalars(result),
        arrays=_arrays(result),
        object=result.filled,
        object_geometry={**geometry, "center_x_m": float(x), "center_y_m": float(y)},
        probe=result.probe,
        probe_geometry=geometry,
    )


def _scalars(result: Result) -> dict[str, float | str]:
    given = geometry_of(result)
    return {
        "name": result.title,
        "comments": comments(result),
        "detector_object_distance_m": given.distance_m,
        "photon_energy_eV": given.energy_ev,
        "probe_energy_eV": given.energy_ev,
        "probe_photon_count": float(result.store.info.photons),
        "exposure_time_s": 0.0,
        "mass_attenuation_m2_per_kg": 0.0,
        "tomography_angle_deg": 0.0,
        **result.store.info.measured_with,
    }


def _arrays(result: Result) -> dict[str, NDArray[Any]]:
    x, y = _positions_m(result).T
    epochs, losses = zip(*result.losses, strict=True) if result.losses else ((), ())
    return {
        "probe_position_indexes": result.frame_index,
        "probe_position_x_m": x,
        "probe_position_y_m": y,
        "object_layer_spacing_m": np.zeros(0),
        "loss_epochs": np.array(epochs, dtype=np.int64),
        "loss_values": np.array(losses, dtype=np.float64),
        "object_seen": result.seen.astype(np.uint8),
    }


def _positions_m(result: Result) -> Floats:
    n = result.store.info.n
    offsets = centre_offsets(result.positions, result.canvas.shape, n)
    return centre_m(result) + geometry_of(result).pixel_size(n) * offsets


def centre_m(result: Result) -> Floats:
    """Where the middle of the object lies, (x, y) in metres; (0, 0) if the scan has no place."""
    if result.zero_m is None:
        return np.zeros(2)
    half = (np.array(result.canvas.shape[::-1]) - 1) / 2
    return np.array(result.zero_m) + geometry_of(result).pixel_size(result.store.info.n) * half


def centre_offsets(positions: Floats, shape: tuple[int, int], n: int) -> Floats:
    """Positions (K, 2) as (x, y), under patch pixel N//2, from the middle of an object, in pixels.

    Ptychodus has a patch's centre at (N - 1) / 2 and the object's at (size - 1) / 2.
    """
    middle = (np.array([shape[1], shape[0]]) - 1) / 2
    return np.asarray(positions - patch_middle(n) - middle)


def geometry_of(result: Result) -> Geometry:
    """The geometry of the scan, a nominal one where it states none."""
    return result.store.info.geometry or NOMINAL


def comments(result: Result) -> str:
    """What a reader should know of a product: units, gauge, and what is not as it seems."""
    lines = [
        "Written by ptychopinn-batch. Lengths in metres, energy in eV.",
        "A position is where index (N - 1) / 2 of the probe lies, the object's centre where index "
        "(size - 1) / 2 of the object does; x counts columns, y rows.",
        "sum |probe|^2 is the mean number of counts in a frame, so |object|^2 is the transmission "
        "relative to its mean. A global phase and a phase plane of the object are arbitrary.",
        "Unseen pixels of the object are 1 + 0j; object_seen tells which those are.",
    ]
    if result.residual is not None:
        lines.append(f"R = {result.residual:.5f}")
    if result.store.info.geometry is None:
        lines.append(NOMINAL_NOTE)
    return "\n".join(lines)


def write_hdf5(product: Product, path: Path) -> None:
    """`product.h5`."""
    with whole_file(path) as new, h5py.File(new, "w") as file:
        file.attrs.update(product.scalars)
        file.create_dataset("object", data=product.object).attrs.update(product.object_geometry)
        file.create_dataset("probe", data=product.probe).attrs.update(product.probe_geometry)
        for name, value in product.arrays.items():
            file.create_dataset(name, data=value)


def write_npz(product: Product, path: Path) -> None:
    """`product.npz`: the same words, attributes of arrays as scalars of their own."""
    scalars: dict[str, Any] = {
        **product.scalars,
        **{f"object_{name}": value for name, value in product.object_geometry.items()},
        **{f"probe_{name}": value for name, value in product.probe_geometry.items()},
    }
    arrays = {"object": product.object, "probe": product.probe, **product.arrays}
    everything: dict[str, Any] = arrays | {name: np.array(v) for name, v in scalars.items()}
    with whole_file(path) as new, new.open("wb") as file:
        np.savez(file, **everything)


def write_diffraction(
    result: Result, path: Path, beat: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """`diffraction.h5`: counts with DC at the centre, in the order of the scan's own file."""
    info, pitch = result.store.info, geometry_of(result).detector_pixel_m
    counts = Counts.of(result.store)
    size = max(1, min(info.frames, BLOCK_BYTES // (4 * info.n**2)))
    with whole_file(path) as new, h5py.File(new, "w") as file:
        patterns = file.create_dataset(
            "patterns",
            shape=(info.frames, info.n, info.n),
            dtype=counts.dtype,
            chunks=(min(16, size), info.n, info.n),
            compression="lzf",
            shuffle=True,
        )
        patterns.attrs.update(detector_pixel_width_m=pitch, detector_pixel_height_m=pitch)
        for start in range(0, info.frames, size):
            rows = result.order[start : start + size]
            patterns[start : start + len(rows)] = counts.read(rows)
            beat(start + len(rows), info.frames)
        file.attrs["comments"] = FRAMES_NOTE
        file.create_dataset("indexes", data=result.frame_index)
        file.create_dataset("bad_pixels", data=result.bad_pixels)
