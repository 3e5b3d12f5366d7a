"""The classical update of the probe and its modes, the object held still.

Object and probe must alternate: both changed in one step diverge.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.refinement.exitwave import exit_change
from ptychopinn_batch.region import Region

NEW_MODE = 0.05  # power of an added mode relative to the first one
EXPONENTS = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1), (1, 2), (3, 0), (0, 3))


def with_modes(probe: Tensor, modes: int) -> Tensor:
    """A probe (M, N, N) with at least that many modes and the power it had.

    Added modes are the first one times powers of x and y, orthogonal to all before them: what a
    vibration or a source of some size mixes into it first.
    """
    found = list(probe)
    for exponents in EXPONENTS[: max(0, modes - len(found))]:
        mode = _orthogonal(probe[0] * _monomial(exponents, probe), found)
        power = NEW_MODE * physics.abs2(probe[0]).sum()
        found.append(mode * (power / physics.abs2(mode).sum()).sqrt())
    new = torch.stack(found)
    return new * (physics.abs2(probe).sum() / physics.abs2(new).sum()).sqrt()


def _monomial(exponents: tuple[int, int], probe: Tensor) -> Tensor:
    n = probe.shape[-1]
    axis = torch.arange(n, device=probe.device) - n // 2
    return axis ** exponents[0] * axis[:, None] ** exponents[1]


def _orthogonal(mode: Tensor, others: list[Tensor]) -> Tensor:
    for other in others:
        mode = mode - (other.conj() * mode).sum() / physics.abs2(other).sum() * other
    return mode


def orthogonal_modes(probe: Tensor) -> Tensor:
    """The same light as orthogonal modes (M, N, N), the strongest first (Thibault and Menzel,
    Nature 494, 68, 2013)."""
    flat = probe.flatten(1)
    _, vectors = torch.linalg.eigh(flat.conj() @ flat.T)
    return (vectors.flip(1).T @ flat).view(probe.shape)


def probe_step(obj: Tensor, region: Region) -> Tensor:
    """Modes (M, N, N) after one step of all frames: sum of conj(O) (corrected - modelled wave).

    Every frame sees the probe at its own fraction of a pixel; what it asks for is moved back.
    """
    n = region.n
    total = torch.zeros_like(region.probe)
    light = torch.zeros(n, n, device=obj.device)
    for chunk in region.chunks():
        patches = physics.patches(obj, region.corners[chunk], n)
        asked = patches.conj()[:, None] * exit_change(obj, region, chunk)
        total += physics.shifted(asked, -region.fractions[chunk]).sum(0)
        light += physics.abs2(patches).sum(0)
    return region.probe + physics.scaled(total, 1 / (light + physics.DAMPING * light.max()))
