"""Random training regions with known truth, one per seed: what the default network learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.region import Region, Scale
from ptychopinn_batch.simulate import flaws
from ptychopinn_batch.simulate.objects import random_object
from ptychopinn_batch.simulate.patterns import Positions, random_pattern
from ptychopinn_batch.simulate.probes import Modes, Probe, radius90, random_probe, with_modes

FRAME_SIZES = {24: 0.1, 32: 0.3, 48: 0.25, 64: 0.23, 96: 0.07, 128: 0.05}  # size: share
MOST_PIXELS = 300_000  # frame pixels of a region, unless that is fewer frames than
FEWEST_FRAMES = 36
SIDE = 140.0  # largest distance of frames' centres, canvas pixels
WIDE_SIZE, WIDE_SHARE, WIDE_SIDE, WIDE_FRAMES = 32, 0.3, 240.0, 3  # where frames are small
LEAST_DOSE, MOST_DOSE = 3e2, 1e9  # photons per frame
MODES_SHARE, MOST_MODES = 0.15, 4


def simulated_region(seed: int | tuple[int, ...]) -> Region:
    """The region of this seed: its own object, probe, pattern, dose and model errors.

    Its probe and truth are in our gauge: sum |P|^2 is the mean of the counts that were drawn.
    """
    random = np.random.default_rng(seed)
    n = int(random.choice(list(FRAME_SIZES), p=list(FRAME_SIZES.values())))
    probe = random_probe(n, random)
    return expose(_some_modes(probe, random), _some_positions(probe, random), random)


def _some_positions(probe: Probe, random: Generator) -> Positions:
    """A pattern that suits the probe; often a wide one of small frames, for what changes slowly."""
    most = max(MOST_PIXELS // len(probe) ** 2, FEWEST_FRAMES)
    if len(probe) <= WIDE_SIZE and random.random() < WIDE_SHARE:
        return random_pattern(radius90(probe), WIDE_FRAMES * most, random, WIDE_SIDE)
    return random_pattern(radius90(probe), most, random, SIDE)


def _some_modes(probe: Probe, random: Generator) -> Modes:
    """Mostly one mode, the probe itself."""
    many = random.random() < MODES_SHARE
    return with_modes(probe, int(random.integers(2, MOST_MODES + 1)) if many else 1)


def expose(probe: Modes, positions: Positions, random: Generator) -> Region:
    """Draw an object, a dose and flaws, and count photons of these modes at these positions."""
    n = probe.shape[-1]
    canvas = Canvas.around(positions, n)
    corners, fractions = map(torch.from_numpy, canvas.corners(positions, n))
    truth, modes = _truth(canvas, random), torch.from_numpy(probe)
    counts, gain = _counted(_expected(truth, corners, fractions, modes, random), random)
    photons = float(counts.sum((1, 2)).mean())
    region = Region(
        corners=corners,
        fractions=fractions,
        probe=modes * photons**0.5,
        amplitudes=counts.sqrt(),
        shape=canvas.shape,
        scale=Scale(illumination=1.0, amplitude=float(counts.max().sqrt())),
        good=flaws.trusted_pixels(n, random),
        truth=truth * (gain / photons) ** 0.5,
    )
    brightest = float(region.illumination.max())
    return replace(region, scale=replace(region.scale, illumination=brightest))


def _truth(canvas: Canvas, random: Generator) -> Tensor:
    """A random object (H, W) on a canvas."""
    truth = torch.from_numpy(random_object(max(canvas.shape), random))
    return truth[: canvas.height, : canvas.width].contiguous()


def _expected(
    truth: Tensor, corners: Tensor, fractions: Tensor, modes: Tensor, random: Generator
) -> Tensor:
    """Frames (K, N, N) as nature makes them; probe and positions are a flawed model of it."""
    light = physics.shifted(
        flaws.wrong_probe(modes, random), flaws.wrong_fractions(fractions, random)
    )
    frames = physics.intensity(physics.exit_to_detector(truth, corners, light))
    return flaws.with_background(flaws.partly_coherent(frames, random), random)


def _counted(expected: Tensor, random: Generator) -> tuple[Tensor, float]:
    """Photons counted at a random dose, and by how much that is brighter than `expected`."""
    dose = np.exp(random.uniform(np.log(LEAST_DOSE), np.log(MOST_DOSE)))
    gain = dose / float(expected.sum((1, 2)).mean())
    return torch.poisson(expected * gain, torch.Generator().manual_seed(_seed(random))), gain


def _seed(random: Generator) -> int:
    return int(random.integers(2**63))
