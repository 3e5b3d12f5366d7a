"""The default network on the tiles of a scan: alone, stitched, and written."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import Tile, best_device, read_tile, reconstruct, reconstruct_tile
from ptychopinn_batch.networks.base import Network
from ptychopinn_batch.objectstore import ObjectStore
from ptychopinn_batch.stages import prepare
from ptychopinn_batch.stages.infer import network_of
from ptychopinn_batch.stages.params import InferParams

from .ceilings import timed
from .scans import Work


class Tiles(NamedTuple):
    """A prepared scan, the network, and what is asked of it."""

    network: Network
    store: ScanStore
    params: InferParams
    arrays: Iterator[Path]  # a new one for every time that all is written

    @classmethod
    def of(cls, work: Work) -> Tiles:
        """Prepared now, unless it is already."""
        prepare.run(work.prepare)
        params = InferParams.of(work.infer.task)
        network = network_of(work.infer, params.network).to(best_device()).eval()
        numbers = itertools.count()
        arrays = (work.prepare.run.folder / f"object-{k}.zarr" for k in numbers)
        return cls(network, ScanStore.open(work.store), params, arrays)

    def predict(self) -> float:
        """Seconds in the network alone; its frames lie in memory."""
        return sum(self._predict())

    def _predict(self) -> Iterator[float]:
        device, infer = best_device(), self.params.infer
        for window in self.params.canvas.tiles(infer.tile):
            given = read_tile(self.network, self.store, self.params.canvas, window, infer)
            if len(given.region):
                region = given.region.to(device)
                yield timed(lambda region=region: reconstruct(self.network, region, infer), device)

    def stitch(self) -> Iterator[Tile]:
        """Every tile of the object, from the store to memory."""
        params = self.params
        for window in params.canvas.tiles(params.infer.tile):
            yield reconstruct_tile(self.network, self.store, params.canvas, window, params.infer)

    def stitched(self) -> Tensor:
        """The object (H, W) complex64."""
        obj = torch.ones(self.params.canvas.shape, dtype=torch.complex64)
        for tile in self.stitch():
            obj[tile.window.slices] = torch.from_numpy(tile.object)
        return obj

    def write(self) -> None:
        """Every tile, from the store to a new array on disk."""
        array = ObjectStore.create(
            next(self.arrays),
            canvas=self.params.canvas,
            tile=self.params.infer.tile,
            array_key=self.params.array_key,
        )
        for tile in self.stitch():
            array.write_tile(tile.window, tile.object, tile.weight, tile.seen)
