"""The scan store: a scan on disk as all tasks read it, and nothing but itself.

    scan.json        ScanInfo: what the arrays are, and the size and hash of every file
    arrays/          a memory-mapped TensorDict
        frames          (K, N, N)  the detector's own type, DC at [0, 0], bad pixels zero
        positions       (K, 2)     float64, (x, y) in object pixels
        scan_index      (K,)       int64, as in the scan's file
        original_row    (K,)       int64, the row of each frame in the scan's file
        probe           (M, N, N)  complex64, sum |P|^2 = mean counts of a frame
        mask            (N, N)     bool, True where a pixel is good; absent without bad pixels
        reference       (H, W)     complex64, absent without one
        recorded_positions  (K, 2) float64, those of the scan's file; in refined stores alone

Frames follow a Hilbert curve through their positions. Stores are made by `build` and `refined` and
never changed: one that does not match its description is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from hpc.errors import StateError
from hpc.fsio import read_json, sha256_file
from hpc.record import Record
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.source import Geometry, Measurement

SCAN_JSON, ARRAYS = "scan.json", "arrays"
META = "meta.json"  # of a TensorDict: type and shape of each array
FRAMES = "frames"
AT_ONCE = 1024  # frames that are copied twice on their way
HASHED_ON_OPENING = 2**24  # bytes: larger files are only measured, until `verify`


class StoredFile(Record):
    """A file of a store, its name relative to the store."""

    name: str
    size: int = Field(ge=0)
    sha256: str


class Refinement(Record):
    """What was refined in a store's scan: share of light in each mode, shifts in object pixels."""

    mode_power: tuple[float, ...] = Field(strict=False)
    shift_rms: float = Field(ge=0)
    shift_max: float = Field(ge=0)


class ScanInfo(Record):
    """What a store holds.

    photons: mean counts of a frame in good pixels; amplitude_max: largest sqrt(counts) of a pixel;
    illumination_max: largest sum of |P|^2 over frames and modes on the canvas; zero_m: (x, y) in
    metres of scan pixel (0, 0), None where the scan has no place in the world; content_id: hash of
    all arrays; refinement: None where probe and positions are those of the scan's file;
    measured_with: numbers of the scan's file that mean nothing here, for who gets the result.
    """

    schema_version: Literal[2] = 2
    frames: int = Field(ge=1)
    n: int = Field(ge=2)
    modes: int = Field(ge=1)
    dtype: str
    measurement: Measurement
    photons: float = Field(gt=0)
    amplitude_max: float = Field(gt=0)
    illumination_max: float = Field(gt=0)
    canvas: Canvas
    geometry: Geometry | None
    zero_m: tuple[float, float] | None = Field(None, strict=False)
    origin: str
    reference_is_truth: bool
    content_id: str
    files: tuple[StoredFile, ...] = Field(strict=False)
    refinement: Refinement | None = None
    measured_with: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class ScanStore:
    """An opened store. Arrays are read from the disk when they are used."""

    folder: Path
    info: ScanInfo

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The store in a folder, its sizes and small files checked; StateError if they differ."""
        if not folder.is_dir():
            raise StateError("there is no scan store here", where=str(folder), mend=_PREPARE)
        store = cls(folder, read_json(folder / SCAN_JSON, ScanInfo))
        for file in store.info.files:
            store._check(file, hashed=file.size <= HASHED_ON_OPENING)
        return store

    def verify(self) -> None:
        """Read every byte and compare it with what was written; StateError names the file."""
        for file in self.info.files:
            self._check(file, hashed=True)

    @cached_property
    def arrays(self) -> Mapping[str, Tensor]:
        """The memory-mapped arrays: those of a TensorDict, whose import takes a second."""
        described = json.loads((self.folder / ARRAYS / META).read_bytes())
        arrays = {name: about for name, about in described.items() if isinstance(about, dict)}
        return {name: self._mapped(name, about) for name, about in arrays.items()}

    @property
    def frames(self) -> Tensor:
        """Frames (K, N, N) in the detector's own type, memory-mapped, DC at [0, 0]."""
        return self._get(FRAMES)

    @cached_property
    def positions(self) -> Tensor:
        """(K, 2) float64 as (x, y): the scan pixel under patch pixel N // 2."""
        return self._get("positions").clone()

    @cached_property
    def recorded_positions(self) -> Tensor | None:
        """(K, 2) float64: the positions of the scan's file, None where they are the only ones."""
        name = "recorded_positions"
        return self._get(name).clone() if name in self.arrays else None

    @cached_property
    def probe(self) -> Tensor:
        """Modes (M, N, N) complex64, sum |P|^2 = `info.photons`."""
        return self._get("probe").clone()

    @cached_property
    def mask(self) -> Tensor | None:
        """(N, N) bool, True where a pixel is good, DC at [0, 0]; None if all are."""
        return self._get("mask").clone() if "mask" in self.arrays else None

    @property
    def reference(self) -> Tensor | None:
        """An object (H, W) complex64 whose pixel [i, j] is scan pixel (x = j, y = i), or None.

        In the scale of the stored probe: together they explain the frames.
        """
        return self._get("reference") if "reference" in self.arrays else None

    @cached_property
    def scan_index(self) -> Tensor:
        """(K,) int64 as in the scan's file."""
        return self._get("scan_index").clone()

    @cached_property
    def original_row(self) -> Tensor:
        """(K,) int64: the row of each frame in the scan's file."""
        return self._get("original_row").clone()

    def amplitudes(self, rows: Tensor) -> Tensor:
        """sqrt(counts) of these frames, (k, N, N) float32, DC at [0, 0], bad pixels zero."""
        values = np.empty((len(rows), self.info.n, self.info.n), np.float32)
        for first in range(0, len(rows), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            values[some] = self._raw[rows[some].numpy()]
        amplitudes = torch.from_numpy(values)
        return amplitudes if self.info.measurement == "amplitude" else amplitudes.sqrt_()

    @property
    def _raw(self) -> NDArray[Any]:
        # torch cannot compute with unsigned integers of 16 bits and more, numpy can.
        return np.asarray(self.frames.numpy())

    def _get(self, name: str) -> Tensor:
        return self.arrays[name]

    def _mapped(self, name: str, about: Mapping[str, Any]) -> Tensor:
        """An array in its file: what is changed of it in memory never gets there."""
        shape, dtype = about["shape"], getattr(torch, about["dtype"].removeprefix("torch."))
        path = array_file(self.folder / ARRAYS, name)
        return torch.from_file(str(path), shared=False, size=prod(shape), dtype=dtype).view(shape)

    def _check(self, file: StoredFile, *, hashed: bool) -> None:
        path, again = self.folder / file.name, f"Delete {self.folder} and submit the run again"
        if not path.is_file():
            raise StateError("this file of a scan store is missing", where=str(path), mend=again)
        size = path.stat().st_size
        if size != file.size:
            what = f"this file of a scan store has {size} bytes, not {file.size}"
            raise StateError(what, where=str(path), mend=again)
        if hashed and sha256_file(path) != file.sha256:
            what = "this file of a scan store was changed since it was written"
            raise StateError(what, where=str(path), mend=again)


def array_file(arrays: Path, name: str) -> Path:
    """Where a TensorDict keeps an array."""
    return arrays / f"{name}.memmap"


_PREPARE = "Submit the run again"
