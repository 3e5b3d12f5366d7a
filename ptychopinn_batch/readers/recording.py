"""What a reader finds in a scan's files, before the job spec has its say.

Everything is as the file has it: frames of any shape with the beam wherever it was, positions in
pixels or metres, a probe or none. `opened` makes a scan of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.data.source import Frames, Measurement
from ptychopinn_batch.jobspec import Scan

Unit: TypeAlias = Literal["px", "m"]
Box: TypeAlias = tuple[slice, slice]
"""Rows and columns of a frame, both with start and stop."""


class Pictures(Protocol):
    """Frames as they lie in a file: real numbers, (K, H, W)."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def pieces(self, rows: range, box: Box) -> Iterator[Frames]:
        """A part of frames [rows.start, rows.stop), in order: arrays (k, h, w) of any k.

        Few enough at a time for memory. UserError where the file is damaged.
        """


@dataclass(frozen=True)
class Track:
    """Positions (P, 2) float64 as (x, y), +x along columns and +y along rows.

    unit "px": object pixels under patch pixel N // 2; "m": metres, of the middle of a patch. index:
    (P,) int64, by which frames are paired with positions; None: row by row. at: file and key.
    """

    xy: NDArray[np.float64]
    unit: Unit
    at: str
    index: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Optics:
    """What a file says of the geometry; None where it says nothing. Units are SI and eV."""

    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | None = None
    far_field: bool = True


@dataclass(frozen=True)
class Drawing:
    """An object of the file: (H, W) complex, read when it is asked for.

    With positions in pixels its pixel (row i, column j) is position (j, i); with positions in
    metres it has pixels of `pixel_m`, the middle of the first at `zero_m`, both as (x, y).
    """

    shape: tuple[int, int]
    read: Callable[[], NDArray[Any]]
    at: str
    pixel_m: tuple[float, float] | None = None
    zero_m: tuple[float, float] | None = None


@dataclass(frozen=True)
class Recording:
    """A scan as its files have it.

    index: (K,) int64, numbers of the frames that results keep, and by which they find their
    positions where those have an index too; probe: (M, h, w) or None, not checked yet; bad_pixels:
    (H, W) bool or None; measurement: what the frames are known to be, None where it must be found
    out; zero_m: metres of scan pixel (0, 0), for positions in pixels; notes: what a user should
    know; where: places named in messages, of "frames", "probe" and "mask"; measured_with: numbers
    that are of no use here, in the words of the file, for who gets the result.
    """

    format: str
    path: Path
    pictures: Pictures
    track: Track | None
    probe: NDArray[Any] | None = None
    index: NDArray[np.int64] | None = None
    bad_pixels: NDArray[np.bool_] | None = None
    measurement: Measurement | None = None
    optics: Optics = Optics()
    drawing: Drawing | None = None
    zero_m: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    measured_with: Mapping[str, float] = field(default_factory=dict)

    def at(self, what: str) -> str:
        """The place of something in the files, for messages."""
        return self.where.get(what, str(self.path))


class Reader(Protocol):
    """A format. Everything that is wrong with a file is a UserError.

    name: its word in `format:`; revision: raised when it reads the same file differently, so that
    stores are made anew; title: what it reads, in a few words.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def revision(self) -> int: ...

    def recognises(self, path: Path) -> bool:
        """Whether a file or folder that exists looks like this format; never raises."""

    def files(self, path: Path, options: Scan) -> tuple[Path, ...]:
        """Every file whose content decides what is read, in an order that does not change."""

    def read(self, path: Path, options: Scan) -> Recording:
        """What is in the file. Frames stay there; large arrays too."""
