"""Data terms: how far modelled frames are from measured ones.

Each takes modelled amplitudes and measured ones (K, N, N), bad pixels already equal in both, and
returns a sum over pixels. Divided by `Region.energy` they are relative and do not depend on dose
or frame size.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.region import Region

Misfit = Callable[[Tensor, Tensor], Tensor]


def amplitude(model: Tensor, measured: Tensor) -> Tensor:
    """Sum of squared amplitude differences. Divided by the energy this is the residual R."""
    return (model - measured).square().sum()


def mae(model: Tensor, measured: Tensor) -> Tensor:
    """Sum of absolute amplitude differences (upstream's MAE, on amplitudes)."""
    return (model - measured).abs().sum()


def poisson(model: Tensor, measured: Tensor) -> Tensor:
    """Half the Poisson deviance: sum of rate - counts + counts * log(counts / rate).

    The negative log-likelihood up to a constant of the data, so that a perfect model gives zero and
    pure counting noise about one half per lit pixel (McCullagh and Nelder, Generalized Linear
    Models, 2.3).
    """
    rate, counts = model.square(), measured.square()
    # Where nothing was counted the logarithm has no weight, but its derivative would be 0 / 0.
    ratio = torch.where(counts > 0, counts / rate.clamp(min=1e-12), 1.0)
    return (rate - counts + counts * ratio.log()).sum()


MISFITS: dict[str, Misfit] = {"amplitude": amplitude, "poisson": poisson, "mae": mae}


def data_misfit(obj: Tensor, region: Region, misfit: Misfit) -> Tensor:
    """Misfit of an object (H, W) to all frames of a region, relative to their energy."""
    error = torch.zeros((), device=obj.device)
    for chunk in region.chunks():
        waves = physics.exit_to_detector(obj, region.corners[chunk], region.probes_of(chunk))
        model = (physics.intensity(waves) + 1e-12).sqrt()
        error = error + misfit(region.trusted(model), region.trusted(region.amplitudes[chunk]))
    return error / region.energy
