"""What measured scans have and a forward model leaves out, each in a share of the regions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor


def wrong_probe(probe: Tensor, random: Generator) -> Tensor:
    """In a quarter of the regions nature's probe has a smooth phase error unknown to the model."""
    if random.random() >= 0.25:
        return probe
    n = probe.shape[-1]
    error = ndimage.gaussian_filter(random.standard_normal((n, n)), n / 16)
    error *= n / 16 * 3.5 * random.uniform(0, 0.15)
    return probe * torch.exp(1j * torch.from_numpy(error)).to(probe)


def wrong_fractions(fractions: Tensor, random: Generator) -> Tensor:
    """In a quarter of them the recorded positions are off by up to 0.4 pixels r.m.s."""
    if random.random() >= 0.25:
        return fractions
    error = random.normal(0, random.uniform(0, 0.4), tuple(fractions.shape))
    return fractions + torch.from_numpy(error).to(fractions)


def partly_coherent(frames: Tensor, random: Generator) -> Tensor:
    """In three of ten a small Gaussian source blurs the detector."""
    if random.random() >= 0.3:
        return frames
    n = frames.shape[-1]
    k = torch.fft.fftfreq(n) * n
    width = np.pi * random.uniform(0.2, 0.6) / n
    blur = torch.exp(-2 * width**2 * (k[:, None] ** 2 + k**2))
    return torch.fft.ifft2(torch.fft.fft2(frames) * blur).real.clamp(min=0)


def with_background(frames: Tensor, random: Generator) -> Tensor:
    """In one of ten an even background of up to a hundredth of all counts."""
    if random.random() >= 0.1:
        return frames
    return frames + frames.mean() * random.uniform(0, 0.01)


def trusted_pixels(n: int, random: Generator) -> Tensor | None:
    """In a fifth of them some detector pixels (N, N) are masked: dead ones, a beamstop, a gap."""
    if random.random() >= 0.2:
        return None
    bad = random.random((n, n)) < random.uniform(0, 0.03)
    match random.integers(3):
        case 0:
            bad |= _beamstop(n, random)
        case 1:
            first = int(random.integers(n - 2))
            bad[first : first + int(random.integers(1, max(2, n // 24)))] = True
    return torch.from_numpy(~np.fft.ifftshift(bad))


def _beamstop(n: int, random: Generator) -> NDArray[np.bool_]:
    """A disk near the middle of the detector."""
    y, x = np.mgrid[:n, :n] - (n // 2 + random.uniform(-1, 1, 2))[:, None, None]
    return np.asarray(np.hypot(y, x) < random.uniform(0.5, 0.04 * n + 0.5))
