"""Where the frames really lie: least-squares steps, the object and the probe held still."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.refinement.probe import exit_change
from ptychopinn_batch.region import Region


def position_step(obj: Tensor, region: Region) -> Tensor:
    """Shift (K, 2) as (x, y) in pixels of every frame that explains most of its residual.

    Linear least squares on the exit wave: the change that the frame asks for, expressed by the
    object's slopes under the probe (Guizar-Sicairos and Fienup, Opt. Express 16, 7264, 2008).
    """
    across = (obj.roll(-1, 1) - obj.roll(1, 1)) / 2
    down = (obj.roll(-1, 0) - obj.roll(1, 0)) / 2
    moves = [_solve(*_equations(obj, across, down, region, chunk)) for chunk in region.chunks()]
    return torch.cat(moves)


def _equations(
    obj: Tensor, across: Tensor, down: Tensor, region: Region, chunk: slice
) -> tuple[Tensor, ...]:
    change, corners, n = exit_change(obj, region, chunk), region.corners[chunk], region.n
    probes = region.probes[chunk]
    x = probes * physics.patches(across, corners, n)[:, None]
    y = probes * physics.patches(down, corners, n)[:, None]
    return _dot(x, x), _dot(y, y), _dot(x, y), _dot(x, change), _dot(y, change)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Real inner products (K,) of waves (K, M, N, N)."""
    return (torch.view_as_real(a) * torch.view_as_real(b)).sum((1, 2, 3, 4))


def _solve(xx: Tensor, yy: Tensor, xy: Tensor, bx: Tensor, by: Tensor) -> Tensor:
    determinant = xx * yy - xy**2 + 1e-6 * xx * yy + 1e-30
    return torch.stack([yy * bx - xy * by, xx * by - xy * bx], 1) / determinant[:, None]


def moved(region: Region, shift: Tensor) -> Region:
    """The region with every frame moved by (K, 2) as (x, y), its patches kept inside."""
    height, width = region.shape
    exact = region.corners + region.fractions.double() + shift
    most = torch.tensor([width - region.n, height - region.n], device=exact.device)
    exact = exact.clamp(min=torch.zeros_like(most), max=most)
    corners = exact.floor()
    return replace(region, corners=corners.long(), fractions=(exact - corners).float())
