"""A straightforward patchwise pipeline: every frame through a `cnn`, patch after patch stitched.

What PtychoPINN's own inference does, written plainly: batches of frames, patches kept, then added
up one after the other where they lie, weighted by the probe's light, and divided by the weights.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.data.store import ScanStore
from ptychopinn_batch.jobspec import CnnSettings, Train
from ptychopinn_batch.networks.cnn import Cnn, empty_frame, input_gain
from ptychopinn_batch.region import Region
from ptychopinn_batch.training.fit import fit

BATCH = 64  # frames
LEAST_LIGHT = 1e-4  # of the brightest pixel: darker ones are not seen


def trained(store: ScanStore, epochs: int, seed: int = 1) -> Cnn:
    """A `cnn` trained on the scan itself, without any reference; 0 epochs: random weights."""
    torch.manual_seed(seed)
    n = store.info.n
    network = Cnn(CnnSettings(n=n))
    if epochs:
        train = Train(
            epochs=epochs,
            regions_per_epoch=20,
            window=max(64, 5 * n // 2 // 32 * 32),
            frames_per_region=48,
            lr=1.5e-3,
            split="frames",
        )
        with TemporaryDirectory(prefix="bench-") as folder:
            fit(network, train, [store], seed=seed, folder=Path(folder))
    return network.eval()


@torch.inference_mode()
def predicted(network: Cnn, region: Region) -> Tensor:
    """The patch of every frame: (K, n, n) complex64."""
    empty, gain = empty_frame(region), input_gain(region)
    parts = []
    for first in range(0, len(region), BATCH):
        frames = region.trusted(region.amplitudes[first : first + BATCH] - empty) * gain
        parts.append(network.autoencoder(torch.fft.fftshift(frames, dim=(-2, -1))[:, None])[:, 0])
    return torch.cat(parts)


@torch.inference_mode()
def stitched(patches: Tensor, region: Region) -> Tensor:
    """The object (H, W): patches at whole pixels, weighted by the light of the probe."""
    light, n = physics.abs2(region.probe).sum(0), region.n
    total = torch.zeros(region.shape, dtype=torch.complex64, device=patches.device)
    weight = torch.zeros(region.shape, device=patches.device)
    places = (region.corners + region.fractions.round().to(region.corners)).tolist()
    for patch, (x, y) in zip(patches, places, strict=True):
        total[y : y + n, x : x + n] += light * patch
        weight[y : y + n, x : x + n] += light
    lit = weight > LEAST_LIGHT * weight.max()
    return torch.where(lit, total / weight.clamp(min=1e-12), torch.ones_like(total))
