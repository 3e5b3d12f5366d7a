"""Simulated scans: what a job spec's `simulate:` describes, frame by frame and reproducibly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.data.source import GeneratedFrames, RawScan
from ptychopinn_batch.jobspec import Simulation
from ptychopinn_batch.simulate import fields, probes
from ptychopinn_batch.simulate.layout import (
    COUNTS,
    OBJECT,
    PIXELS,
    PROBE,
    object_shape,
    recorded_positions,
    true_positions,
)
from ptychopinn_batch.simulate.objects import Object, complex_object

WEAK_PHASE = 0.2  # rad, largest phase range of a weak object
SPOKES = 36
SAMPLE = 64  # frames looked at to choose the integer type of all


def simulate_scan(settings: Simulation) -> RawScan:
    """The scan of these settings. Frames are made when they are read, block by block.

    Probe and reference are those that nature used: together they explain the frames up to noise.
    """
    light, dead = _Light.of(settings), dead_pixels(settings)
    dtype = light.dtype()
    return RawScan(
        frames=GeneratedFrames(
            count=settings.frames,
            n=settings.frame_size,
            dtype=dtype,
            generate=lambda first, end: _as_integers(light.counts(first, end) * ~dead, dtype),
        ),
        measurement="counts",
        positions=recorded_positions(settings),
        probe=light.probe.numpy(),
        scan_index=np.arange(settings.frames, dtype=np.int64),
        origin="simulated",
        bad_pixels=dead if settings.bad_pixels else None,
        reference=light.object.numpy(),
        reference_is_truth=True,
    )


@dataclass(frozen=True)
class _Light:
    """Object (H, W), modes (M, N, N) with the photons of the dose, and where they meet."""

    object: Tensor
    probe: Tensor
    corners: Tensor
    fractions: Tensor
    seed: int

    @classmethod
    def of(cls, settings: Simulation) -> _Light:
        obj = torch.from_numpy(make_object(settings))
        probe = torch.from_numpy(make_probe(settings))
        exact = true_positions(settings) - settings.frame_size // 2
        corners = torch.from_numpy(np.floor(exact).astype(np.int64))
        fractions = torch.from_numpy((exact % 1).astype(np.float32))
        unit = cls(obj, probe, corners, fractions, settings.seed)
        gain = settings.photons / unit.sample().sum((1, 2)).mean()
        return cls(obj, probe * gain**0.5, corners, fractions, settings.seed)

    def sample(self) -> Tensor:
        """Mean counts of frames spread evenly over the scan."""
        count = len(self.corners)
        frames = np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64)
        return self.expected(torch.from_numpy(frames))

    def expected(self, frames: Tensor) -> Tensor:
        """Mean counts (k, N, N) of these frames, DC at the centre."""
        waves = physics.exit_to_detector(
            self.object, self.corners[frames], physics.shifted(self.probe, self.fractions[frames])
        )
        return torch.fft.fftshift(physics.intensity(waves), dim=(1, 2))

    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Unsigned integers that hold four times the largest count of the sample."""
        largest = 4 * float(self.sample().max()) + 100
        kinds = (np.uint16, np.uint32, np.uint64)
        return np.dtype(next(kind for kind in kinds if largest < np.iinfo(kind).max))

    def counts(self, first: int, end: int) -> NDArray[np.int64]:
        """Photons counted in frames [first, end): every frame has a seed of its own."""
        means = self.expected(torch.arange(first, end)).double().numpy()
        seeds = ((self.seed, COUNTS, frame) for frame in range(first, end))
        return np.stack(
            [np.random.default_rng(seed).poisson(m) for seed, m in zip(seeds, means, strict=True)]
        )


def _as_integers(
    counts: NDArray[np.int64], dtype: np.dtype[np.unsignedinteger]
) -> NDArray[np.unsignedinteger]:
    if counts.max() > np.iinfo(dtype).max:
        raise OverflowError(f"a count of {counts.max()} does not fit into {dtype}")
    return counts.astype(dtype)


def make_probe(settings: Simulation) -> probes.Modes:
    """Modes (M, N, N), together of unit energy."""
    n, radius = settings.frame_size, settings.probe_radius * settings.frame_size
    random = np.random.default_rng((settings.seed, PROBE))
    match settings.probe:
        case "diffuser":
            probe = probes.diffuser(n, radius / 0.9**0.5, phase_rms=1.0, grain=n / 8, random=random)
        case kind:
            stop = 0.4 if kind == "ring" else 0.0
            probe = probes.lens_of_radius(n, radius, defocus=settings.defocus, stop=stop)
    return probes.with_modes(probe, settings.modes)


def make_object(settings: Simulation) -> Object:
    """The object (H, W) that all patches of the scan lie on."""
    shape = object_shape(settings)
    random = np.random.default_rng((settings.seed, OBJECT))
    absorption, delay = _materials(settings, max(shape), random)
    weak = settings.object == "weak"
    obj = complex_object(
        absorption,
        delay,
        lowest=1.0 if weak else settings.amplitude_min,
        phase_range=min(settings.phase_range, WEAK_PHASE) if weak else settings.phase_range,
    )
    return np.ascontiguousarray(obj[: shape[0], : shape[1]])


def _materials(
    settings: Simulation, side: int, random: Generator
) -> tuple[fields.Image, fields.Image]:
    """What absorbs and what delays, both (side, side) in [0, 1]."""
    match settings.object:
        case "natural":
            face, cat = fields.picture("astronaut.png"), fields.picture("chelsea.png")
            return (
                fields.resized(face[:300, 80:380], side),
                fields.resized(cat[:300, 20:320], side),
            )
        case "star":
            image = ndimage.gaussian_filter(
                fields.star(side, (side / 2, side / 2), SPOKES, 0.3), 0.7
            )
            return image, image
        case "shapes":
            return fields.shapes(side, random), fields.shapes(side, random)
        case "field" | "weak":
            return fields.power_law(side, random), fields.power_law(side, random)


def dead_pixels(settings: Simulation) -> NDArray[np.bool_]:
    """Which detector pixels (N, N) count nothing."""
    n = settings.frame_size
    random = np.random.default_rng((settings.seed, PIXELS))
    dead = np.zeros(n * n, dtype=np.bool_)
    dead[random.choice(n * n, settings.bad_pixels, replace=False)] = True
    return dead.reshape(n, n)
