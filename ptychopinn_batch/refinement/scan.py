"""The refinement of a whole scan, with bounded memory.

The probe belongs to the scan: it is found on frames around the middle and then held. Positions
belong to the frames: each is found by the tile that its frame's centre lies in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas, Window
from ptychopinn_batch.data.store import Refinement
from ptychopinn_batch.inference import central_window, device_of, halo, region_of
from ptychopinn_batch.jobspec import Refine, Tiled
from ptychopinn_batch.networks.base import Reconstruction
from ptychopinn_batch.networks.unrolled import Unrolled
from ptychopinn_batch.precision import mixed
from ptychopinn_batch.refinement import SAMPLE
from ptychopinn_batch.refinement.adjuster import Adjuster
from ptychopinn_batch.refinement.positions import exact_corners
from ptychopinn_batch.refinement.probe import orthogonal_modes, with_modes
from ptychopinn_batch.region import Region

if TYPE_CHECKING:
    from ptychopinn_batch.data.store import ScanStore

Beat = Callable[[int, int], None]  # parts done, parts in all; may raise to stop


@dataclass(frozen=True)
class Refined:
    """Modes (M, N, N) complex64 with the power of the stored ones, positions (K, 2) float64."""

    probe: Tensor
    positions: Tensor
    record: Refinement


@dataclass(frozen=True)
class _Scan:
    """What all parts of a refinement share."""

    network: Unrolled
    store: ScanStore
    canvas: Canvas
    refine: Refine
    infer: Tiled

    def region(self, window: Window, probe: Tensor) -> tuple[Region, Tensor]:
        """The frames in a window with this probe, and their rows; room around them to move in."""
        positions = self.store.positions.numpy()
        region, _ = region_of(self.store, self.canvas, window, room=self.refine.margin)
        rows = np.flatnonzero(window.holds(self.canvas.centres(positions)))
        return replace(region, probe=probe).to(device_of(self.network)), torch.from_numpy(rows)

    @torch.inference_mode()
    def adjusted(self, region: Region, refine: Refine, seed: int) -> Reconstruction:
        """A region reconstructed while it is refined."""
        adjuster = Adjuster.of(refine, region, seed)
        with mixed(self.infer.precision, region.corners.device):
            return self.network.solve(region, steps=refine.steps, adjust=adjuster)

    @torch.inference_mode()
    def better(self, refined: Region, recorded: Region) -> bool:
        """Whether a reconstruction from refined frames explains them better than one from those
        as they were recorded."""
        with mixed(self.infer.precision, recorded.corners.device):
            new, old = (self.network.solve(r, steps=self.infer.steps) for r in (refined, recorded))
        return bool(new.misfits[-1] < old.misfits[-1])


def refine_scan(
    network: Unrolled,
    store: ScanStore,
    canvas: Canvas,
    refine: Refine,
    infer: Tiled,
    beat: Beat = lambda done, total: None,
) -> Refined:
    """Probe and positions of a scan, as far as `refine` asks for them.

    `canvas` has `refine.margin` around the recorded positions.
    """
    scan = _Scan(network, store, canvas, refine, infer)
    tiles = list(canvas.tiles(infer.tile)) if refine.positions else []
    probe = _probe(scan) if refine.probe else store.probe
    beat(1, 1 + len(tiles))
    positions = store.positions.clone()
    for number, tile in enumerate(tiles):
        _place(scan, tile, number, probe, positions)
        beat(2 + number, 1 + len(tiles))
    return Refined(probe, positions, _record(store, probe, positions))


def _probe(scan: _Scan) -> Tensor:
    """The modes that frames around the middle ask for, orthogonal, the strongest first.

    The recorded ones where these explain the frames no better.
    """
    probe, stored = with_modes(scan.store.probe, scan.refine.modes or 1), scan.store.probe
    region, _ = scan.region(_sample(scan, len(probe)), probe)
    found = scan.adjusted(region, scan.refine, seed=0).region
    modes = orthogonal_modes(found.probe.to(torch.complex128)).to(torch.complex64)
    modes = modes * (scan.store.info.photons / physics.abs2(modes).sum()).sqrt()
    recorded = replace(region, probe=stored.to(modes.device))
    return modes.cpu() if scan.better(replace(found, probe=modes), recorded) else stored


def _sample(scan: _Scan, modes: int) -> Window:
    """A window around the scan's middle with about as many frames as memory allows."""
    info, area = scan.store.info, np.ptp(scan.store.positions.numpy(), axis=0).prod()
    frames = SAMPLE / (modes * info.n**2)
    side = math.ceil(math.sqrt(frames / info.frames * area))
    return central_window(scan.store, scan.canvas, max(side, 2 * info.n))


def _place(scan: _Scan, tile: Window, number: int, probe: Tensor, positions: Tensor) -> None:
    """Fill in the positions of the frames whose recorded centres lie in a tile.

    They stay as recorded where others explain the frames no better.
    """
    wide = tile.grown(halo(scan.network, scan.infer, scan.store.info.n), scan.canvas)
    region, rows = scan.region(wide, probe)
    recorded = scan.store.positions[rows]
    own = torch.from_numpy(tile.holds(scan.canvas.centres(recorded.numpy())))
    if not own.any():
        return
    only = scan.refine.model_copy(update={"probe": False, "modes": None})
    found = scan.adjusted(region, only, seed=number + 1).region
    if not scan.better(found, region):
        return
    moved = (exact_corners(found) - exact_corners(region)).cpu()
    positions[rows[own]] = (recorded + moved)[own]


def _record(store: ScanStore, probe: Tensor, positions: Tensor) -> Refinement:
    power = physics.abs2(probe).sum((1, 2))
    distance = (positions - store.positions).norm(dim=1)
    return Refinement(
        mode_power=tuple((power / power.sum()).tolist()),
        shift_rms=float(distance.square().mean().sqrt()),
        shift_max=float(distance.max()),
    )
