"""A scan ready to be reconstructed: its frames, those held out, what the truth leaves of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ptychopinn_batch.data.build import build_store
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.inference import region_of
from ptychopinn_batch.misfit import MISFITS, data_misfit
from ptychopinn_batch.region import Region
from ptychopinn_batch.training.measured import held_out

from .scenes import Scene

LEAST_LIGHT = 1e-4  # of the brightest pixel: darker ones were not seen, whatever the method


@dataclass(frozen=True)
class Prepared:
    """shown: the frames that every method is given; held: those that it is judged on; both are
    regions on the whole canvas. is_held: (K,) bool, which rows of the store those are; lit: (H, W)
    bool, pixels that the shown frames saw; R_empty: R of an object that is 1 everywhere, on the
    shown frames; R_true, R_held_true: R of truth, true probe and true positions on the shown and on
    the held-out frames (of a measured scan, of its reference with the recorded ones; None without
    a reference or such frames)."""

    scene: Scene
    seed: int
    store: ScanStore
    shown: Region
    held: Region
    is_held: Tensor
    lit: Tensor
    R_empty: float
    R_true: float | None
    R_held_true: float | None

    @property
    def frames(self) -> int:
        return len(self.shown)


@contextmanager
def prepare(scene: Scene, seed: int, share: float) -> Iterator[Prepared]:
    """A scene with this share of its frames held out, in a folder that is removed afterwards."""
    scene = scene.with_seed(seed)
    with TemporaryDirectory(prefix="quality-") as folder:
        store = build_store(scene.raw(), Path(folder) / "recorded")
        is_held = held_out(store.info.frames, share)
        region = whole_region(store)
        shown = region.subset(~is_held)
        true = _true_residuals(_true_store(scene, store, Path(folder) / "true"), is_held)
        yield Prepared(
            scene=scene,
            seed=seed,
            store=store,
            shown=shown,
            held=region.subset(is_held),
            is_held=is_held,
            lit=shown.illumination > LEAST_LIGHT * shown.scale.illumination,
            R_empty=residual(torch.ones(shown.shape, dtype=torch.complex64), shown),
            R_true=true[0],
            R_held_true=true[1],
        )


def whole_region(store: ScanStore) -> Region:
    """All frames of a scan, in the order of its store, on its canvas."""
    return region_of(store, store.info.canvas, store.info.canvas.whole)[0]


@torch.inference_mode()
def residual(obj: Tensor, region: Region) -> float:
    """R = sum (|model| - amplitude)^2 / sum amplitude^2 with the region's probe and positions."""
    return float(data_misfit(obj, region, MISFITS["amplitude"]))


def _true_store(scene: Scene, recorded: ScanStore, folder: Path) -> ScanStore:
    """The scan with the probe and positions that nature used; where unknown, as it is recorded."""
    true = None if scene.right else scene.true()
    return recorded if true is None else build_store(true, folder)


def _true_residuals(store: ScanStore, is_held: Tensor) -> tuple[float | None, float | None]:
    """Of the reference on the shown and on the held-out frames."""
    obj = on_canvas(store)
    if obj is None:
        return None, None
    region = whole_region(store)
    held = residual(obj, region.subset(is_held)) if is_held.any() else None
    return residual(obj, region.subset(~is_held)), held


def on_canvas(store: ScanStore) -> Tensor | None:
    """The reference of a store on its canvas, 1 where it does not reach."""
    if store.reference is None:
        return None
    canvas = store.info.canvas
    obj = torch.ones(canvas.shape, dtype=torch.complex64)
    height, width = store.reference.shape
    top, left = max(canvas.y0, 0), max(canvas.x0, 0)
    bottom, right = min(canvas.y0 + canvas.height, height), min(canvas.x0 + canvas.width, width)
    obj[top - canvas.y0 : bottom - canvas.y0, left - canvas.x0 : right - canvas.x0] = (
        store.reference[top:bottom, left:right]
    )
    return obj
