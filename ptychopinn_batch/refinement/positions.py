"""Where the frames really lie: each is moved alone, the object and the probe held still."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Generator, Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.refinement.exitwave import exit_change
from ptychopinn_batch.region import Region


def position_step(obj: Tensor, region: Region) -> Tensor:
    """Shift (K, 2) float64 as (x, y) in pixels of every frame that explains most of its residual.

    Linear least squares on the exit wave: what the frame asks for, expressed by the object's slopes
    under the probe (Guizar-Sicairos and Fienup, Opt. Express 16, 7264, 2008). Frames have no
    phases, so it is about a third of a small error: to be repeated.
    """
    across = (obj.roll(-1, 1) - obj.roll(1, 1)) / 2
    down = (obj.roll(-1, 0) - obj.roll(1, 0)) / 2
    steps = [_step(obj, across, down, region, chunk) for chunk in region.chunks()]
    return torch.cat(steps).double()


def _step(obj: Tensor, across: Tensor, down: Tensor, region: Region, chunk: slice) -> Tensor:
    corners, probes, n = region.corners[chunk], region.probes_of(chunk), region.n
    x = probes * physics.patches(across, corners, n)[:, None]
    y = probes * physics.patches(down, corners, n)[:, None]
    change = exit_change(obj, region, chunk)
    xx, yy, xy, bx, by = _dot(x, x), _dot(y, y), _dot(x, y), _dot(x, change), _dot(y, change)
    determinant = xx * yy - xy**2 + 1e-6 * xx * yy + 1e-30
    return torch.stack([yy * bx - xy * by, xx * by - xy * bx], 1) / determinant[:, None]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Real inner products (K,) of waves (K, M, N, N)."""
    return (torch.view_as_real(a) * torch.view_as_real(b)).sum((1, 2, 3, 4))


def searched(obj: Tensor, region: Region, radius: float, tries: int, random: Generator) -> Tensor:
    """The best of some random shifts (K, 2) float64 within `radius`, or none, for every frame.

    Finds what slopes cannot: errors larger than the detail of the object (annealing of Maiden et
    al., Ultramicroscopy 120, 64, 2012).
    """
    least = frame_misfits(obj, region)
    best = torch.zeros(len(region), 2, dtype=torch.float64, device=obj.device)
    for _ in range(tries):
        shift = _within(radius, len(region), random).to(obj.device)
        found = frame_misfits(obj, moved(region, shift))
        better = found < least
        least = torch.where(better, found, least)
        best = torch.where(better[:, None], shift, best)
    return best


def _within(radius: float, count: int, random: Generator) -> Tensor:
    """Points (count, 2) float64, uniform in a disc."""
    distance, turn = torch.rand(2, count, generator=random, dtype=torch.float64)
    distance, turn = radius * distance.sqrt(), 2 * math.pi * turn
    return torch.stack([distance * turn.cos(), distance * turn.sin()], 1)


def frame_misfits(obj: Tensor, region: Region) -> Tensor:
    """Squared amplitude residual (K,) of every frame."""
    parts = []
    for chunk in region.chunks():
        waves = physics.exit_to_detector(obj, region.corners[chunk], region.probes_of(chunk))
        model = region.trusted(physics.intensity(waves).sqrt())
        parts.append((model - region.trusted(region.amplitudes[chunk])).square().sum((1, 2)))
    return torch.cat(parts)


def exact_corners(region: Region) -> Tensor:
    """Top-left corners (K, 2) float64 as (x, y) of all patches, with their fractions."""
    return region.corners + region.fractions.double()


def moved(region: Region, shift: Tensor) -> Region:
    """The region with every frame moved by (K, 2) float64 as (x, y), its patches kept inside."""
    return placed(region, exact_corners(region) + shift)


def placed(region: Region, exact: Tensor) -> Region:
    """The region with its patches at these exact corners (K, 2), kept inside."""
    height, width = region.shape
    most = exact.new_tensor([width - region.n, height - region.n])
    exact = torch.minimum(exact.clamp(min=0), most)
    corners = exact.floor()
    return replace(region, corners=corners.long(), fractions=(exact - corners).float())
