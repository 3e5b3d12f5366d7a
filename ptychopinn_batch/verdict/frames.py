"""Which frames and which detector pixels are not explained, beyond their own counting noise."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.metrics import NOISE_STEP, noise_table
from ptychopinn_batch.region import Region
from ptychopinn_batch.verdict.evidence import Frames
from ptychopinn_batch.verdict.pixels import places
from ptychopinn_batch.verdict.sample import Sample

BLURS = (0.25, 0.5, 0.75, 1.0, 1.4)  # pixels of the detector, r.m.s.
FAR = 8.0  # robust standard deviations: a frame that is further off is odd
ODD_RATIO = 4.0  # times the median residual, at least
ODD_EXCESS = 0.01  # of the frame's energy, at least
LISTED = 5  # pixels that are named
MANY = 20.0  # counts from which many equal largest values are no chance
FULL, FULL_SHARE = 6, 0.05  # pixels at the largest value, at least, and for each frame

Map = NDArray[np.float64]


class Sums(NamedTuple):
    """residual, floor, energy: (K,) of the frames; measured, modelled: (N, N) of the pixels, in
    counts; clipped: (K,) pixels at the largest value,
    blurred: (len(BLURS),) residuals where the detector is blurred."""

    residual: Map
    floor: Map
    energy: Map
    measured: Map
    modelled: Map
    clipped: Map
    blurred: Map


def frame_errors(sample: Sample, obj: Tensor) -> Frames:
    """Of an object made from all frames of the sample, on its region."""
    sums = sums_of(obj, sample.region)
    dead, hot = (places(chosen) for chosen in (sample.dead, sample.hot))
    excess = float(np.median(sums.residual / np.maximum(sums.floor, 1e-9)))
    gain, blur = _blur(sums, sample.counts)
    return Frames(
        excess=excess if sample.counts else None,
        odd=_odd(sums, sample.counts),
        dark=float(np.mean(sums.energy < 0.01 * np.median(sums.energy))),
        repeated=_repeated(sample.region.amplitudes, sums.energy),
        dead=len(dead),
        hot=len(hot),
        dead_at=dead[:LISTED],
        hot_at=hot[:LISTED],
        clipped=_clipped(sums, sample.store.info.amplitude_max**2),
        blur_gain=gain,
        blur_px=blur,
    )


def floor_of(obj: Tensor, region: Region) -> float:
    """What counting noise alone leaves of the frames of a region, relative to their energy."""
    sums = sums_of(obj, region, blurs=())
    return float(sums.floor.sum() / max(sums.energy.sum(), 1e-30))


@torch.inference_mode()
def sums_of(obj: Tensor, region: Region, blurs: tuple[float, ...] = BLURS) -> Sums:
    """One pass over all frames."""
    columns = list(zip(*_parts(obj, region, blurs), strict=True))

    def of_frames(column: int) -> Map:
        return torch.cat(columns[column]).double().cpu().numpy()

    def of_pixels(column: int) -> Map:
        return torch.stack(columns[column]).sum(0).cpu().numpy()

    return Sums(
        residual=of_frames(0),
        floor=of_frames(1),
        energy=of_frames(2),
        measured=of_pixels(3),
        modelled=of_pixels(4),
        clipped=of_frames(5),
        blurred=of_pixels(6),
    )


def _parts(obj: Tensor, region: Region, blurs: tuple[float, ...]) -> Iterator[tuple[Tensor, ...]]:
    table = torch.from_numpy(noise_table()).float().to(obj.device)
    largest = region.scale.amplitude * (1 - 1e-6)
    for chunk in region.chunks():
        waves = physics.exit_to_detector(obj, region.corners[chunk], region.probes_of(chunk))
        rate = region.trusted(physics.intensity(waves))
        measured = region.trusted(region.amplitudes[chunk])
        model = rate.sqrt()
        noise = region.trusted(table[(model / NOISE_STEP).round().long().clamp(max=len(table) - 1)])
        full = measured >= largest
        yield (
            (model - measured).square().sum((1, 2)),
            noise.sum((1, 2)),
            measured.square().sum((1, 2)),
            measured.square().sum(0, dtype=torch.float64),
            rate.sum(0, dtype=torch.float64),
            full.sum((1, 2)),
            torch.stack([_blurred(rate, measured, region, b) for b in blurs])
            if blurs
            else torch.zeros(0),
        )


def _blurred(rate: Tensor, measured: Tensor, region: Region, width: float) -> Tensor:
    """Squared residual where the detector is blurred by a Gaussian of that width in pixels."""
    k = torch.fft.fftfreq(rate.shape[-1], device=rate.device)
    damping = torch.exp(-2 * (math.pi * width) ** 2 * (k[:, None] ** 2 + k**2))
    soft = torch.fft.ifft2(torch.fft.fft2(rate) * damping).real.clamp(min=0)
    return (region.trusted(soft).sqrt() - measured).square().sum(dtype=torch.float64)


def _odd(sums: Sums, counts: bool) -> float:
    """Share of frames that are explained much worse than the others, dark ones left out."""
    lit = sums.energy >= 0.01 * np.median(sums.energy)
    value = (sums.residual - (sums.floor if counts else 0.0))[lit]
    value = value / np.maximum(sums.energy[lit], 1e-9)
    middle = np.median(value)
    spread = 1.4826 * np.median(np.abs(value - middle)) + 1e-12
    relative = (sums.residual / np.maximum(sums.energy, 1e-9))[lit]
    far = (value - middle > FAR * spread) & (value > ODD_EXCESS)
    far &= relative > ODD_RATIO * np.median(relative)
    return float(far.mean())


def _repeated(amplitudes: Tensor, energy: Map) -> float:
    """Share of frames that are equal to another one to the last count."""
    frames = amplitudes.cpu().numpy()[energy > 0]
    digests = [hashlib.blake2b(frame.tobytes(), digest_size=16).digest() for frame in frames]
    return 1 - len(set(digests)) / max(len(digests), 1)


def _clipped(sums: Sums, largest: float) -> float:
    """Share of frames with pixels at the largest value, where these are too many for chance."""
    if largest < MANY or sums.clipped.sum() < max(FULL, FULL_SHARE * len(sums.clipped)):
        return 0.0
    return float(np.mean(sums.clipped > 0))


def _blur(sums: Sums, counts: bool) -> tuple[float, float]:
    """Share of the residual beyond noise that the best blur explains, and its width."""
    floor = sums.floor.sum() if counts else 0.0
    excess = sums.residual.sum() - floor
    best = int(np.argmin(sums.blurred))
    if excess <= 0 or sums.blurred[best] >= sums.residual.sum():
        return 0.0, 0.0
    return float(1 - max(sums.blurred[best] - floor, 0.0) / excess), BLURS[best]
