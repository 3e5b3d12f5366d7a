"""A scan as it comes in: what readers and the simulator hand to the builder of scan stores.

Frames are not held in memory: a source gives them block by block, in the order of the scan's own
file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hpc.record import Record
from ptychopinn_batch.canvas import Canvas

Measurement: TypeAlias = Literal["counts", "amplitude"]
Frames: TypeAlias = NDArray[Any]
Complex: TypeAlias = NDArray[np.complex64]

PLANCK_LIGHT = 1.239841984332e-6  # h * c in eV m (CODATA 2018, exact)
BLOCK_PIXELS = 2**21  # of the frames that are in memory at once


class Geometry(Record):
    """Photon energy, distance from sample to detector, pitch of the detector's pixels."""

    energy_ev: float = Field(gt=0)
    distance_m: float = Field(gt=0)
    detector_pixel_m: float = Field(gt=0)

    def pixel_size(self, n: int) -> float:
        """Object pixel in metres, from far-field sampling: wavelength * distance / (n * pitch)."""
        wavelength = PLANCK_LIGHT / self.energy_ev
        return wavelength * self.distance_m / (n * self.detector_pixel_m)


class FrameSource(Protocol):
    """Frames of one scan: `len(source)` of them, n x n pixels, DC at [n // 2, n // 2]."""

    @property
    def n(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __len__(self) -> int: ...

    def blocks(self, size: int) -> Iterator[Frames]:
        """Every frame once and in order: arrays (k, n, n), all but the last of k = size."""


@dataclass(frozen=True)
class ArrayFrames:
    """Frames (K, n, n) that are in memory already."""

    array: Frames

    @property
    def n(self) -> int:
        return int(self.array.shape[-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def __len__(self) -> int:
        return len(self.array)

    def blocks(self, size: int) -> Iterator[Frames]:
        return (self.array[start : start + size] for start in range(0, len(self), size))


@dataclass(frozen=True)
class GeneratedFrames:
    """Frames that `generate(first, last + 1)` makes: the same ones for every cutting in blocks."""

    count: int
    n: int
    dtype: np.dtype[Any]
    generate: Callable[[int, int], Frames]

    def __len__(self) -> int:
        return self.count

    def blocks(self, size: int) -> Iterator[Frames]:
        ends = ((start, min(start + size, self.count)) for start in range(0, self.count, size))
        return (self.generate(*end) for end in ends)


@dataclass(frozen=True)
class RawScan:
    """A scan in the order of its own file.

    positions: (K, 2) float64 as (x, y) in object pixels, the scan pixel under patch pixel n // 2;
    probe: (M, n, n) complex64, any scale; bad_pixels: (n, n) bool, DC at the centre, or None;
    scan_index: (K,) int64; reference: an object (H, W) complex64 whose pixel (row i, column j) is
    scan pixel (x = j, y = i), so that probe and reference together explain the frames up to one
    factor, or None; zero_m: (x, y) in metres of the middle of scan pixel (0, 0), None where the
    file does not place its scan in the world; origin: the file, or "simulated";
    recorded_positions: as positions, what was measured where these were refined, or None;
    measured_with: numbers of the file that mean nothing here, in its own words, such as a
    tomography angle.
    """

    frames: FrameSource
    measurement: Measurement
    positions: NDArray[np.float64]
    probe: Complex
    scan_index: NDArray[np.int64]
    origin: str
    bad_pixels: NDArray[np.bool_] | None = None
    reference: Complex | None = None
    reference_is_truth: bool = False
    geometry: Geometry | None = None
    zero_m: tuple[float, float] | None = None
    recorded_positions: NDArray[np.float64] | None = None
    measured_with: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PickedFrames:
    """Some frames of another source, by their increasing rows (K,)."""

    source: FrameSource
    rows: NDArray[np.int64]

    @property
    def n(self) -> int:
        return self.source.n

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.source.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def blocks(self, size: int) -> Iterator[Frames]:
        """Every frame is read up to the last that is wanted, and let go."""
        first, last = 0, int(self.rows[-1])
        for block in self.source.blocks(size):
            here = self.rows[(self.rows >= first) & (self.rows < first + len(block))]
            if len(here):
                yield block[here - first]
            first += len(block)
            if first > last:
                return


def first_frames(raw: RawScan, count: int) -> RawScan:
    """The scan as if it had ended after so many frames."""
    recorded = raw.recorded_positions
    return replace(
        raw,
        frames=PickedFrames(raw.frames, np.arange(count)),
        positions=raw.positions[:count],
        scan_index=raw.scan_index[:count],
        recorded_positions=None if recorded is None else recorded[:count],
    )


def block_size(n: int) -> int:
    """How many frames make a block of about `BLOCK_PIXELS`."""
    return max(1, BLOCK_PIXELS // n**2)


def patch_middle(n: int) -> float:
    """From the middle of a patch, index (n - 1) / 2 of Ptychodus, to its pixel n // 2 [pixels].

    A position is the object pixel under pixel n // 2; in metres it is where the patch's middle
    lies. So position = (metres - zero_m) / pixel size + this.
    """
    return n // 2 - (n - 1) / 2


def canvas_of(positions: NDArray[np.float64], n: int, geometry: Geometry | None) -> Canvas:
    """The canvas of a scan, with its pixel size where that is known."""
    return Canvas.around(positions, n, geometry.pixel_size(n) if geometry else None)
