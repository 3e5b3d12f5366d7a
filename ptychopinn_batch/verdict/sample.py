"""The frames that a verdict is made from: compact, around the scan's middle, bounded in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.data.checks import reach_of
from ptychopinn_batch.inference import device_of
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.networks.base import Adjust, Network, Reconstruction, unchanged
from ptychopinn_batch.region import Region, Scale
from ptychopinn_batch.residual import holds_counts
from ptychopinn_batch.training.measured import around, cut_region, held_out
from ptychopinn_batch.verdict.pixels import among_neighbours

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore

MOST = 128  # frames
PIXELS = 2**20  # of all frames and modes: 8 MB of waves, seconds of work
LEAST = 36  # frames, however large they are
LEFT_OUT = 0.15  # share of frames that predictions are tested on


@dataclass(frozen=True)
class Sample:
    """Frames of a store by their rows, and the network that reconstructs them.

    dead, hot: (N, N) bool, DC at [0, 0], pixels that are not trusted although the scan does.
    """

    store: ScanStore
    rows: NDArray[np.int64]
    network: Network
    dead: NDArray[np.bool_]
    hot: NDArray[np.bool_]

    @classmethod
    def of(cls, store: ScanStore, network: Network) -> Sample:
        """As many frames around the middle as are worked on in seconds."""
        info = store.info
        rows = central_rows(store.positions.numpy(), info.n, info.modes)
        sums = store.amplitudes(torch.from_numpy(rows)).double().square().sum(0).numpy()
        none = np.zeros(sums.shape, np.bool_)
        return cls(store, rows, network, none, none).without(*among_neighbours(sums))

    def without(self, dead: NDArray[np.bool_], hot: NDArray[np.bool_]) -> Sample:
        """The same frames with these pixels left out as well, as far as the scan does not."""
        mask = self.store.mask
        good = ~self.dead if mask is None else mask.numpy()
        return replace(self, dead=self.dead | (dead & good), hot=self.hot | (hot & good))

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def positions(self) -> NDArray[np.float64]:
        return np.asarray(self.store.positions.numpy()[self.rows])

    @cached_property
    def counts(self) -> bool:
        """Whether the noise of the frames is known."""
        return holds_counts(self.store)

    @cached_property
    def region(self) -> Region:
        """The frames where the scan says they are."""
        return self.placed(self.positions)

    @cached_property
    def left_out(self) -> Tensor:
        """Which frames (K,) bool predictions are tested on."""
        return held_out(len(self), LEFT_OUT).to(device_of(self.network))

    def placed(self, positions: NDArray[np.float64], *, room: int = 0) -> Region:
        """The frames at these positions (K, 2), on a canvas of their own with room around it."""
        canvas = Canvas.around(positions, self.store.info.n).grown(room)
        corners, fractions = canvas.corners(positions, self.store.info.n)
        region = replace(
            self._frames,
            corners=torch.from_numpy(corners),
            fractions=torch.from_numpy(fractions),
            shape=canvas.shape,
        )
        light = float(region.illumination.max())
        scale = Scale(illumination=light, amplitude=self.store.info.amplitude_max)
        return replace(region, scale=scale).to(device_of(self.network))

    @cached_property
    def _frames(self) -> Region:
        found = cut_region(self.store, self.rows, Canvas.around(self.positions, self.store.info.n))
        strange = torch.from_numpy(self.dead | self.hot)
        if not strange.any():
            return found
        good = ~strange if found.good is None else found.good & ~strange
        return replace(found, good=good, amplitudes=found.amplitudes * good)

    def reconstructed(
        self, region: Region, steps: int, adjust: Adjust = unchanged
    ) -> Reconstruction:
        """What the network makes of a region, never in half precision: figures are compared."""
        with torch.inference_mode():
            return self.network(region, steps=steps, adjust=adjust)


def central_rows(positions: NDArray[np.float64], n: int, modes: int) -> NDArray[np.int64]:
    """As many frames around the middle of a scan as are worked on in seconds.

    None that lie far from all others: a canvas that holds those too would take minutes.
    """
    most = max(LEAST, min(MOST, PIXELS // (n**2 * modes)))
    middle, reach = reach_of(positions, n)
    return around(positions, middle, 2 * reach, most)


@torch.inference_mode()
def residual(obj: Tensor, region: Region) -> float:
    """Relative squared residual of all frames of a region; 1 where it is not a number."""
    found = float(data_misfit(obj, region, MISFITS["amplitude"]))
    return found if np.isfinite(found) else 1.0
