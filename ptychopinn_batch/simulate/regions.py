"""Random training regions with known truth, one per seed: what the default network learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.random import Generator
from scipy import ndimage
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.region import Region, Scale
from ptychopinn_batch.simulate.objects import random_object
from ptychopinn_batch.simulate.patterns import Positions, random_pattern
from ptychopinn_batch.simulate.probes import Probe, radius90, random_probe

FRAME_SIZES = {32: 0.4, 48: 0.3, 64: 0.3}  # size: share
MOST_PIXELS = 300_000  # frame pixels of a region
LEAST_DOSE, MOST_DOSE = 3e3, 1e8  # photons per frame


def _wrong_probe(probe: Tensor, random: Generator) -> Tensor:
    """In a quarter of the regions nature's probe has a smooth phase error unknown to the model."""
    if random.random() >= 0.25:
        return probe
    n = probe.shape[-1]
    error = ndimage.gaussian_filter(random.standard_normal((n, n)), n / 16)
    error *= n / 16 * 3.5 * random.uniform(0, 0.15)
    return probe * torch.exp(1j * torch.from_numpy(error)).to(probe)


def _wrong_fractions(fractions: Tensor, random: Generator) -> Tensor:
    """In a quarter of them the recorded positions are off by up to 0.4 pixels r.m.s."""
    if random.random() >= 0.25:
        return fractions
    error = random.normal(0, random.uniform(0, 0.4), tuple(fractions.shape))
    return fractions + torch.from_numpy(error).to(fractions)


def _partly_coherent(frames: Tensor, random: Generator) -> Tensor:
    """In three of ten a small Gaussian source blurs the detector."""
    if random.random() >= 0.3:
        return frames
    n = frames.shape[-1]
    k = torch.fft.fftfreq(n) * n
    width = np.pi * random.uniform(0.2, 0.6) / n
    blur = torch.exp(-2 * width**2 * (k[:, None] ** 2 + k**2))
    return torch.fft.ifft2(torch.fft.fft2(frames) * blur).real.clamp(min=0)


def simulated_region(seed: int | tuple[int, ...]) -> Region:
    """The region of this seed: its own object, probe, pattern, dose and model errors.

    Its probe and truth are in our gauge: sum |P|^2 is the mean of the counts that were drawn.
    """
    random = np.random.default_rng(seed)
    n = int(random.choice(list(FRAME_SIZES), p=list(FRAME_SIZES.values())))
    probe = random_probe(n, random)
    positions = random_pattern(radius90(probe), MOST_PIXELS // n**2, random)
    return expose(probe, positions, random)


def expose(probe: Probe, positions: Positions, random: Generator) -> Region:
    """Draw an object, a dose and model errors, and count photons at these positions."""
    n = len(probe)
    canvas = Canvas.around(positions, n)
    corners, fractions = map(torch.from_numpy, canvas.corners(positions, n))
    truth = torch.from_numpy(random_object(max(canvas.shape), random))
    truth = truth[: canvas.height, : canvas.width].contiguous()
    modes = torch.from_numpy(probe)[None]
    light = physics.shifted(_wrong_probe(modes, random), _wrong_fractions(fractions, random))
    expected = physics.intensity(physics.exit_to_detector(truth, corners, light))
    expected = _partly_coherent(expected, random)
    dose = np.exp(random.uniform(np.log(LEAST_DOSE), np.log(MOST_DOSE)))
    gain = dose / float(expected.sum((1, 2)).mean())
    counts = torch.poisson(expected * gain, torch.Generator().manual_seed(_seed(random)))
    photons = float(counts.sum((1, 2)).mean())
    region = Region(
        corners=corners,
        fractions=fractions,
        probe=modes * photons**0.5,
        amplitudes=counts.sqrt(),
        shape=canvas.shape,
        scale=Scale(illumination=1.0, amplitude=float(counts.max().sqrt())),
        truth=truth * (gain / photons) ** 0.5,
    )
    brightest = float(region.illumination.max())
    return replace(region, scale=replace(region.scale, illumination=brightest))


def _seed(random: Generator) -> int:
    return int(random.integers(2**63))
