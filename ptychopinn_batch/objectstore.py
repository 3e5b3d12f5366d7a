"""The object array of a scan on disk: a zarr group whose shards are the tiles of the canvas.

Tasks own tiles, so each shard has one writer and no two of them ever meet. A tile is done when its
completion record, written last, stands beside the array with the array's key; the record is the
truth, a shard without one is written again. Pixels that no frame saw are NaN.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import numpy as np
import zarr
from numpy.typing import NDArray
from pydantic import ValidationError
from zarr.codecs import BloscCodec, Crc32cCodec

from hpc.errors import StateError
from hpc.fsio import read_json, sync_file, write_atomic
from hpc.lease import EXPIRES_AFTER, Lease
from hpc.record import Record, explain
from ptychopinn_batch.canvas import Canvas, Window
from ptychopinn_batch.files import sweep, whole_folder
from ptychopinn_batch.results.paths import tile_record, tile_records

Complex: TypeAlias = NDArray[np.complex64]
Light: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

SCHEMA = 1
CHUNK = 128  # pixels, side of the pieces of a shard that can be read alone
AGAIN = "Delete it and submit the run again"
OME = "ome"  # the attribute by which viewers find an image in it; none of ours
# Making an empty array takes far less; a claim that a lost host left takes so long to expire.
LOCK_SECONDS = EXPIRES_AFTER + 60
GAUGE = (
    "array pixel (row i, column j) is scan pixel (i + y0, j + x0); a position (x, y) is the scan "
    "pixel under patch pixel N//2; sum |P|^2 is the mean number of counts in a frame, so "
    "|object|^2 is the transmission relative to its mean"
)


class ArrayHeader(Record):
    """What the array says of itself: which canvas, cut how, made by what."""

    schema_version: Literal[1] = 1
    array_key: str
    canvas: Canvas
    tile: int
    axes: tuple[str, str] = ("y", "x")
    gauge: str = GAUGE
    unseen: str = (
        "NaN in object, False in seen; weight is the light, 1 at the brightest pixel of the scan"
    )


class Completion(Record):
    """That a tile is written, for which array, and into which files of what size."""

    array_key: str
    tile: int
    sizes: dict[str, int]


@dataclass(frozen=True)
class StoredObject:
    """A window of the array: object (H, W) complex64, NaN where not seen; weight (H, W) float32,
    the light, 1 at the brightest pixel of the scan; seen (H, W) bool."""

    object: Complex
    weight: Light
    seen: Mask


@dataclass(frozen=True)
class ObjectStore:
    """The array at `folder` (`*.zarr`). Made by `create` or `open`."""

    folder: Path
    header: ArrayHeader

    @classmethod
    def create(cls, folder: Path, *, canvas: Canvas, tile: int, array_key: str) -> Self:
        """The array of this key: the one that is there, else a new one in place of any other."""
        store = cls(folder, ArrayHeader(array_key=array_key, canvas=canvas, tile=tile))
        folder.parent.mkdir(parents=True, exist_ok=True)
        if store._is_there():
            return store
        lock, what = folder.with_name(f".{folder.name}.lock"), "this object array is being made"
        with Lease(lock, what, wait=LOCK_SECONDS, across_hosts=True):
            if not store._is_there():
                store._replace()
        return store

    @classmethod
    def open(cls, folder: Path, *, array_key: str | None = None) -> Self:
        """The array that is there; StateError if none is, or it has another key."""
        header = _read_header(folder)
        if array_key is not None and header.array_key != array_key:
            what = f"this array was made by key {header.array_key}, expected {array_key}"
            raise StateError(what, where=str(folder), mend=AGAIN)
        return cls(folder, header)

    @cached_property
    def tiles(self) -> tuple[Window, ...]:
        """Every tile, in row order: a tile's number is its index."""
        return tuple(self.header.canvas.tiles(self.header.tile))

    def write_tile(self, window: Window, object: Complex, weight: Light, seen: Mask) -> None:  # noqa: A002
        """Write a whole tile, then its completion record. Arrays as in `StoredObject`."""
        number = self._number(window)
        values = {"object": np.where(seen, object, np.nan), "weight": weight, "seen": seen}
        for name, value in values.items():
            if value.shape != window.shape:
                raise ValueError(f"{name} is {value.shape}, the tile {window.shape}")
        self._clear(number)
        # Tiles that nobody saw have files too: a missing one is always a fault.
        with zarr.config.set({"array.write_empty_chunks": True}):
            group = zarr.open_group(self.folder, mode="r+")
            for name, value in values.items():
                _array(group, name)[window.slices] = value
        self._complete(number)

    def tile_done(self, number: int) -> bool:
        """Whether this tile is written for this very array, and its files are still there."""
        return self._fault(number) is None

    def missing(self) -> tuple[int, ...]:
        """Numbers of the tiles that are not done."""
        return tuple(k for k in range(len(self.tiles)) if not self.tile_done(k))

    def read(self, window: Window | None = None) -> StoredObject:
        """The whole array or a window of it; StateError unless every tile of it is whole."""
        window = window or self.header.canvas.whole
        for number, tile in enumerate(self.tiles):
            if _overlap(tile, window) and (fault := self._fault(number)):
                raise StateError(f"tile {number} {fault}", where=str(self.folder), mend=AGAIN)
        group = zarr.open_group(self.folder, mode="r")
        try:
            values = [np.asarray(_array(group, k)[window.slices]) for k in _ARRAYS]
        except (ValueError, RuntimeError, OSError) as error:
            what = f"its bytes were changed ({error})"
            raise StateError(what, where=str(self.folder), mend=AGAIN) from error
        return StoredObject(*values)

    def _number(self, window: Window) -> int:
        try:
            return self.tiles.index(window)
        except ValueError:
            raise ValueError(f"{window} is no tile of {self.folder}") from None

    def _is_there(self) -> bool:
        try:
            return _read_header(self.folder) == self.header
        except StateError:
            return False

    def _replace(self) -> None:
        """Records go first: without them nothing of the old array counts any more."""
        shutil.rmtree(tile_records(self.folder), ignore_errors=True)
        sweep(self.folder)
        with whole_folder(self.folder) as new:
            _write_empty(new, self.header)

    def _shards(self, number: int) -> Iterator[Path]:
        """The files of a tile, as the default chunk keys of zarr v3 name them."""
        row, column = divmod(number, self.header.canvas.tile_counts(self.header.tile)[1])
        return (self.folder / name / "c" / str(row) / str(column) for name in _ARRAYS)

    def _clear(self, number: int) -> None:
        """Take away what there is of a tile, and what a killed writer has left of it.

        zarr reads a shard before it writes it: a torn one could never be written again.
        """
        tile_record(self.folder, number).unlink(missing_ok=True)
        for shard in self._shards(number):
            shard.unlink(missing_ok=True)
            for left_over in shard.parent.glob(f"{shard.name}.*.partial"):
                left_over.unlink()

    def _complete(self, number: int) -> None:
        for path in self._shards(number):
            sync_file(path)
        sizes = {str(p.relative_to(self.folder)): p.stat().st_size for p in self._shards(number)}
        record = Completion(array_key=self.header.array_key, tile=number, sizes=sizes)
        tile_records(self.folder).mkdir(exist_ok=True)
        write_atomic(tile_record(self.folder, number), record.model_dump_json())

    def _fault(self, number: int) -> str | None:
        """What keeps a tile from being done."""
        try:
            record = read_json(tile_record(self.folder, number), Completion)
        except StateError:
            return "has no completion record"
        if (record.array_key, record.tile) != (self.header.array_key, number):
            return f"was written for another array, {record.array_key}"
        for name, size in record.sizes.items():
            path = self.folder / name
            if not path.is_file() or path.stat().st_size != size:
                return f"was changed after it was written ({name})"
        return None


_ARRAYS: dict[str, tuple[str, Any]] = {
    "object": ("complex64", complex("nan+nanj")),
    "weight": ("float32", 0.0),
    "seen": ("bool", False),
}


def _write_empty(folder: Path, header: ArrayHeader) -> None:
    """A new group without shards; every array compressed, with a checksum for every chunk."""
    group = zarr.create_group(folder, attributes=header.model_dump(mode="json"))
    side = math.gcd(header.tile, CHUNK)
    for name, (dtype, fill) in _ARRAYS.items():
        group.create_array(
            name,
            shape=header.canvas.shape,
            dtype=dtype,
            chunks=(side, side),
            shards=(header.tile, header.tile),
            compressors=(BloscCodec(cname="zstd", clevel=3), Crc32cCodec()),
            fill_value=fill,
            dimension_names=header.axes,
        )


def _read_header(folder: Path) -> ArrayHeader:
    try:
        attributes = zarr.open_group(folder, mode="r").attrs.asdict()
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        what = "there is no object array"
        raise StateError(what, where=str(folder), mend=AGAIN) from error
    own = {name: value for name, value in attributes.items() if name != OME}
    try:
        return ArrayHeader.model_validate(own, strict=False)
    except ValidationError as error:
        what = f"this is no object array of ours ({explain(error)})"
        raise StateError(what, where=str(folder), mend=AGAIN) from error


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is a group")
    return array


def _overlap(a: Window, b: Window) -> bool:
    return a.top < b.bottom and b.top < a.bottom and a.left < b.right and b.left < a.right
