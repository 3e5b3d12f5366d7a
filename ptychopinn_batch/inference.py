"""Reconstruction of a scan, tile by tile, with bounded memory.

A tile is computed from every frame whose centre lies within its halo, as if there were no other
tiles: nothing is exchanged, so that any number of tasks may own the tiles of a scan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch.canvas import Canvas, Window
from ptychopinn_batch.jobspec import Infer
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.precision import mixed
from ptychopinn_batch.region import Region, Scale
from ptychopinn_batch.training.measured import held_out

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore

HELD_OUT_WINDOW = 256  # pixels, largest side of the window that the held-out residual is taken on


@dataclass(frozen=True)
class Tile:
    """A reconstructed tile: object complex64, weight float32 (light, 1 at the scan's brightest
    pixel) and seen bool, all of the window's shape."""

    window: Window
    object: NDArray[np.complex64]
    weight: NDArray[np.float32]
    seen: NDArray[np.bool_]
    frames: int


def halo(network: Network, infer: Infer, n: int) -> int:
    """Margin around a tile in pixels: at least what frames that touch the tile need."""
    wanted = network.reach(infer.steps, n) if infer.halo == "auto" else infer.halo
    return max(wanted, n // 2 + 1)


def devices() -> list[torch.device]:
    """Every GPU that this process may use, or the CPU."""
    gpus = [torch.device("cuda", k) for k in range(torch.cuda.device_count())]
    return gpus or [torch.device("cpu")]


def best_device() -> torch.device:
    """The first GPU, or the CPU."""
    return devices()[0]


def device_of(network: Network) -> torch.device:
    """Where a network's weights are."""
    return next(network.parameters()).device


def region_of(
    store: ScanStore, canvas: Canvas, window: Window, *, room: int = 0
) -> tuple[Region, Window]:
    """The frames whose centres lie in a window, and the larger window that holds their patches.

    With `room` around them, in pixels, as far as the canvas has it.
    """
    n = store.info.n
    positions = store.positions.numpy()
    rows = np.flatnonzero(window.holds(canvas.centres(positions)))
    outer = window.grown(n // 2 + 1 + room, canvas)
    corners, fractions = canvas.corners(positions[rows], n)
    region = Region(
        corners=torch.from_numpy(corners - [outer.left, outer.top]),
        fractions=torch.from_numpy(fractions),
        probe=store.probe,
        amplitudes=store.amplitudes(torch.from_numpy(rows)),
        shape=outer.shape,
        scale=Scale(store.info.illumination_max, store.info.amplitude_max),
        good=store.mask,
    )
    return region, outer


@torch.inference_mode()
def reconstruct(network: Network, region: Region, infer: Infer) -> tuple[Tensor, Tensor]:
    """Object (H, W) complex64 and seen pixels (H, W) bool of a region, on the region's device."""
    device = region.corners.device
    with mixed(infer.precision, device):
        result = network.solve(region, steps=infer.steps)
    return result.object, result.seen


@dataclass(frozen=True)
class TileInput:
    """What a tile is computed from: the frames within its halo, in a window that holds them."""

    tile: Window
    region: Region
    outer: Window


def read_tile(
    network: Network, store: ScanStore, canvas: Canvas, tile: Window, infer: Infer
) -> TileInput:
    """The frames of a tile of a scan's canvas, from disk."""
    wide = tile.grown(halo(network, infer, store.info.n), canvas)
    return TileInput(tile, *region_of(store, canvas, wide))


def reconstruct_tile(
    network: Network, store: ScanStore, canvas: Canvas, tile: Window, infer: Infer
) -> Tile:
    """One tile of a scan's canvas, from disk. One that no frame touches is blank and unseen."""
    return solve_tile(network, read_tile(network, store, canvas, tile, infer), infer)


def solve_tile(network: Network, given: TileInput, infer: Infer) -> Tile:
    """The same from frames that are read already."""
    tile = given.tile
    if not len(given.region):
        return _blank(tile)
    region = given.region.to(device_of(network))
    obj, seen = reconstruct(network, region, infer)
    weight = region.illumination / region.scale.illumination
    inside = tile.relative_to(given.outer).slices
    return Tile(
        window=tile,
        object=obj[inside].cpu().numpy(),
        weight=weight[inside].cpu().numpy(),
        seen=seen[inside].cpu().numpy(),
        frames=len(region),
    )


def _blank(tile: Window) -> Tile:
    return Tile(
        window=tile,
        object=np.ones(tile.shape, np.complex64),
        weight=np.zeros(tile.shape, np.float32),
        seen=np.zeros(tile.shape, np.bool_),
        frames=0,
    )


def held_out_residual(
    network: Network, store: ScanStore, canvas: Canvas, infer: Infer, share: float
) -> float:
    """R on frames that the reconstruction did not see: `share` of those in a central window.

    R = sum (|model| - amplitude)^2 / sum amplitude^2 with the stored probe. Held-out frames lie
    between others, so the object under them is known; their noise is not.
    """
    region, rows = _central_region(store, canvas, HELD_OUT_WINDOW)
    left_out = held_out(store.info.frames, share)[rows]
    region, left_out = region.to(device_of(network)), left_out.to(device_of(network))
    obj, _ = reconstruct(network, region.subset(~left_out), infer)
    with torch.inference_mode():
        return float(data_misfit(obj, region.subset(left_out), MISFITS["amplitude"]))


def _central_region(store: ScanStore, canvas: Canvas, side: int) -> tuple[Region, Tensor]:
    """The frames within a window of that side around the scan's middle, and their rows."""
    middle = central_window(store, canvas, side)
    region, _ = region_of(store, canvas, middle)
    centres = canvas.centres(store.positions.numpy())
    return region, torch.from_numpy(np.flatnonzero(middle.holds(centres)))


def central_window(store: ScanStore, canvas: Canvas, side: int) -> Window:
    """A window of about that side around the scan's middle."""
    x, y = (int(v) for v in np.median(canvas.centres(store.positions.numpy()), axis=0))
    return Window(top=y, left=x, bottom=y + 1, right=x + 1).grown(side // 2, canvas)
