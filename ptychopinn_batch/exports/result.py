"""A reconstructed scan as exporters take it, in the order and on the pixel grid of its canvas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.objectstore import Complex, Light, Mask
from ptychopinn_batch.residual import holds_counts

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore

Floats: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]

BLANK = 1.0 + 0.0j  # in place of unseen pixels where NaN would spoil every frame that touches one


@dataclass(frozen=True)
class Result:
    """An object (H, W) complex64 on its canvas, NaN where not `seen`, and the scan it is of.

    weight: (H, W) float32, the light, 1 at the brightest pixel of the scan.

    losses: (epoch, value) of the training, empty without one.
    """

    title: str
    store: ScanStore
    canvas: Canvas
    object: Complex
    seen: Mask
    weight: Light
    residual: float | None = None
    losses: tuple[tuple[int, float], ...] = ()

    def with_residual(self, residual: float) -> Result:
        return replace(self, residual=residual)

    @cached_property
    def filled(self) -> Complex:
        """The object with unseen pixels transparent: 1 + 0j."""
        return np.where(self.seen, self.object, BLANK).astype(np.complex64)

    @cached_property
    def order(self) -> Rows:
        """Rows of the store in the order of the scan's own file."""
        return np.argsort(np.asarray(self.store.original_row), kind="stable")

    @cached_property
    def positions(self) -> Floats:
        """Positions (K, 2) as (x, y) in canvas pixels, under patch pixel N//2, in file order."""
        return self.canvas.centres(self.store.positions.numpy())[self.order]

    @cached_property
    def recorded_positions(self) -> Floats | None:
        """The same before they were refined; None where they were not."""
        recorded = self.store.recorded_positions
        return None if recorded is None else self.canvas.centres(recorded.numpy())[self.order]

    @property
    def zero_m(self) -> tuple[float, float] | None:
        """(x, y) in metres of the middle of canvas pixel (0, 0); None where the scan has no place
        in the world."""
        info, canvas = self.store.info, self.canvas
        if info.zero_m is None or info.geometry is None:
            return None
        pixel, (x, y) = info.geometry.pixel_size(info.n), info.zero_m
        return x + pixel * canvas.x0, y + pixel * canvas.y0

    @property
    def probe(self) -> Complex:
        """Probe modes (M, N, N); their power is the mean number of counts in a frame."""
        return np.asarray(self.store.probe.numpy(), dtype=np.complex64)

    @cached_property
    def frame_index(self) -> Rows:
        """The scan index of each frame, in file order, by which others pair frames and positions.

        The file's own where it tells frames apart. Where it numbers scans (PtychoPINN's use of the
        word) it does not: then their place in the file.
        """
        own = np.asarray(self.store.scan_index)[self.order].astype(np.int64)
        return own if len(np.unique(own)) == len(own) else np.arange(len(own))

    @property
    def bad_pixels(self) -> Mask:
        """Detector pixels (N, N) not to be trusted, DC at the centre."""
        n = self.store.info.n
        good = self.store.mask
        return np.zeros((n, n), bool) if good is None else np.fft.fftshift(~good.numpy())


@dataclass(frozen=True)
class Counts:
    """Frames of a scan as counts: in the detector's own type where the scan holds counts, as whole
    numbers where it holds amplitudes of such, else float32."""

    store: ScanStore
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, store: ScanStore) -> Counts:
        if store.info.measurement == "counts":
            return cls(store, store.frames.numpy().dtype)
        if not holds_counts(store):
            return cls(store, np.dtype(np.float32))
        largest = max(round(store.info.amplitude_max**2), np.iinfo(np.uint16).max)
        return cls(store, np.min_scalar_type(largest))

    def read(self, rows: Rows) -> NDArray[Any]:
        """Frames (k, N, N) with DC at the centre; bad pixels are 0."""
        values = self.store.frames.numpy()[rows]
        if self.store.info.measurement == "amplitude":
            values = values.astype(np.float64) ** 2
            values = np.rint(values) if self.dtype.kind == "u" else values
        return np.fft.fftshift(values, axes=(-2, -1)).astype(self.dtype)
