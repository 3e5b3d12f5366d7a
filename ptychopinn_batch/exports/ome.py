"""The object as OME-Zarr 0.5: what napari and other viewers show when they open `object.zarr`.

Viewers know no complex numbers. So the group gets, beside its arrays, an `image` of two channels,
amplitude and phase, with smaller copies of it, and the metadata that names them. Its pixels are
those of `object`; unseen ones are NaN, and the phase is as it was reconstructed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from hpc.errors import StateError
from hpc.fsio import write_atomic
from ptychopinn_batch.exports.preview import amplitude_picture
from ptychopinn_batch.exports.ptychodus import centre_m
from ptychopinn_batch.exports.result import Result
from ptychopinn_batch.files import discard, whole_folder
from ptychopinn_batch.objectstore import AGAIN, OME

VERSION = "0.5"
CHUNK = 512  # pixels, side of the pieces that a viewer loads
SMALLEST = 256  # pixels, longer side of the last copy at most
CHANNELS = "amplitude", "phase"


def write_image(result: Result, image: Path) -> None:
    """Write `image` into the object array that it lies in, and name it in the group's metadata."""
    levels = _levels(result.canvas.shape)
    with whole_folder(image) as new:
        group = zarr.create_group(new)
        finest = _create(group, 0, result.canvas.shape)
        for top in range(0, result.canvas.height, CHUNK):
            rows = slice(top, top + CHUNK)
            finest[:, rows] = _channels(result, rows)
        for level in range(1, levels):
            _shrink(group, level, result.canvas.shape)
    _describe(image.parent, metadata(result, image.name, levels))


def remove_image(image: Path) -> None:
    """Take the image and its description away, if they are there."""
    if image.exists():
        _describe(image.parent, None)
        discard(image)


def metadata(result: Result, folder: str, levels: int) -> dict[str, Any]:
    """OME-Zarr's words for the image: axes, pixel size, place, and how to show it."""
    return {
        "version": VERSION,
        "multiscales": [
            {
                "name": result.title,
                "axes": _axes(result),
                "datasets": [_dataset(result, folder, level) for level in range(levels)],
                "type": "mean of 2 x 2 pixels",
            }
        ],
        "omero": {"channels": _shown(result)},
    }


def _axes(result: Result) -> list[dict[str, str]]:
    unit = {} if result.canvas.pixel_size_m is None else {"unit": "meter"}
    space = [{"name": name, "type": "space", **unit} for name in ("y", "x")]
    return [{"name": "c", "type": "channel"}, *space]


def _dataset(result: Result, folder: str, level: int) -> dict[str, Any]:
    """One copy; its pixels are `2**level` times as large, so the middle of the first one moves."""
    pixel, size = result.canvas.pixel_size_m or 1.0, 2.0**level
    x, y = _first_pixel(result) + pixel * (size - 1) / 2
    return {
        "path": f"{folder}/{level}",
        "coordinateTransformations": [
            {"type": "scale", "scale": [1.0, pixel * size, pixel * size]},
            {"type": "translation", "translation": [0.0, float(y), float(x)]},
        ],
    }


def _first_pixel(result: Result) -> NDArray[np.float64]:
    """Where the middle of canvas pixel (0, 0) lies, (x, y): in metres, else in pixels."""
    pixel, canvas = result.canvas.pixel_size_m, result.canvas
    if pixel is None:
        return np.array([canvas.x0, canvas.y0], np.float64)
    return centre_m(result) - pixel * (np.array(canvas.shape[::-1]) - 1) / 2


def _shown(result: Result) -> list[dict[str, Any]]:
    """The channels; amplitudes with the limits that their picture has."""
    low, high = amplitude_picture(result).limits
    around = {"min": -np.pi, "max": np.pi, "start": -np.pi, "end": np.pi}
    windows = ({"min": 0.0, "max": max(2.0, high), "start": low, "end": high}, around)
    return [
        {"label": label, "color": "FFFFFF", "active": True, "window": window}
        for label, window in zip(CHANNELS, windows, strict=True)
    ]


def _levels(shape: tuple[int, int]) -> int:
    """How many copies, each half as large as the one before, none without a pixel."""
    wanted, most = np.ceil(np.log2(max(shape) / SMALLEST)), np.floor(np.log2(min(shape)))
    return 1 + max(0, int(min(wanted, most)))


def _create(group: zarr.Group, level: int, shape: tuple[int, ...]) -> zarr.Array[Any]:
    return group.create_array(
        str(level),
        shape=(len(CHANNELS), *shape),
        dtype="float32",
        chunks=(1, *(min(CHUNK, side) for side in shape)),
        fill_value=np.nan,
        dimension_names=("c", "y", "x"),
    )


def _channels(result: Result, rows: slice) -> NDArray[np.float32]:
    """Rows of amplitude and phase (2, h, W)."""
    obj = np.where(result.seen[rows], result.object[rows], np.nan)
    return np.stack([np.abs(obj), np.angle(obj)]).astype(np.float32)


def _shrink(group: zarr.Group, level: int, shape: tuple[int, int]) -> None:
    """The next copy: means of complex pixels, since phases have none."""
    before = group[str(level - 1)]
    assert isinstance(before, zarr.Array)
    height, width = (side >> level for side in shape)
    smaller = _create(group, level, (height, width))
    for top in range(0, height, CHUNK):
        bottom = min(height, top + CHUNK)
        size, phase = np.asarray(before[:, 2 * top : 2 * bottom, : 2 * width])
        obj = size * np.exp(1j * phase)
        quads = obj.reshape(bottom - top, 2, width, 2).mean((1, 3))
        smaller[:, top:bottom] = np.stack([np.abs(quads), np.angle(quads)])


def _describe(group: Path, ome: dict[str, Any] | None) -> None:
    """Put the metadata into the group's attributes, or take it away; the file is never half."""
    path = group / "zarr.json"
    try:
        document = json.loads(path.read_bytes())
        attributes = document["attributes"]
    except (OSError, ValueError, KeyError) as error:
        what, mend = "this is no object array of ours", AGAIN
        raise StateError(what, where=str(group), mend=mend) from error
    attributes.pop(OME, None)
    if ome is not None:
        attributes[OME] = ome
    write_atomic(path, json.dumps(document, indent=2))
