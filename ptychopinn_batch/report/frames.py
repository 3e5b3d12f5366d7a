"""What is kept of all frames while their residual is found: each one's own, the mean, the worst."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FrameStatistics", "Patterns"]

Image = NDArray[np.float32]


class Patterns(NamedTuple):
    """Counts (N, N) as measured and as modelled, DC at the centre."""

    measured: Image
    model: Image


class FrameStatistics:
    """Is shown block after block of frames, in the order of the store."""

    def __init__(self) -> None:
        self._residuals: list[NDArray[np.float64]] = []
        self._sums: tuple[Tensor, Tensor] | None = None
        self._worst: tuple[float, Patterns] | None = None

    def see(self, model: Tensor, measured: Tensor) -> None:
        """Add modelled and measured amplitudes (k, N, N), DC at [0, 0], bad pixels zero."""
        error = (model - measured).square().sum((1, 2))
        energy = measured.square().sum((1, 2))
        found = (error / energy.clamp(min=1e-12)).double().cpu().numpy()
        found[energy.cpu().numpy() <= 0] = np.nan  # without light nothing is left unexplained
        self._residuals.append(found)
        self._add(model.square().sum(0).double(), measured.square().sum(0).double())
        if np.isfinite(found).any():
            self._keep_worst(found, model, measured)

    @property
    def residuals(self) -> NDArray[np.float64]:
        """The residual of each frame (K,), NaN where it is dark."""
        return np.concatenate(self._residuals) if self._residuals else np.empty(0)

    @property
    def mean(self) -> Patterns | None:
        """Mean over all frames."""
        if self._sums is None:
            return None
        model, measured = (total / len(self.residuals) for total in self._sums)
        return Patterns(_centred(measured), _centred(model))

    @property
    def worst(self) -> Patterns | None:
        """The frame that is explained worst."""
        return self._worst[1] if self._worst else None

    @property
    def worst_row(self) -> int | None:
        """Its row in the store."""
        return int(np.nanargmax(self.residuals)) if self._worst else None

    def _add(self, model: Tensor, measured: Tensor) -> None:
        before = self._sums
        self._sums = (
            (model, measured) if before is None else (before[0] + model, before[1] + measured)
        )

    def _keep_worst(self, found: NDArray[np.float64], model: Tensor, measured: Tensor) -> None:
        k = int(np.nanargmax(found))
        if self._worst is None or found[k] > self._worst[0]:
            pair = Patterns(_centred(measured[k].square()), _centred(model[k].square()))
            self._worst = float(found[k]), pair


def _centred(image: Tensor) -> Image:
    return np.fft.fftshift(image.float().cpu().numpy())
