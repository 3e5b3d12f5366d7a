"""Losses of a lesson: on the object where the truth is known, on the frames where it is not."""

from __future__ import annotations

import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.misfit import Misfit, data_misfit
from ptychopinn_batch.networks.base import Reconstruction
from ptychopinn_batch.region import Region

LIT = 0.05  # share of the brightest illumination above which the object is compared
DATA_WEIGHT = 0.3  # of the data term beside the object's error
EPSILON = 1e-5  # added before logarithms: below it nothing is left to learn


def object_error(obj: Tensor, truth: Tensor, light: Tensor) -> Tensor:
    """Squared error relative to the truth, weighted by light, up to one global phase.

    All (H, W). The phase is the one that makes the error smallest.
    """
    weight = light * (light > LIT * light.max())
    overlap = physics.scaled(obj * truth.conj(), weight).sum()
    phase = overlap / (overlap.abs() + 1e-12)
    error = physics.abs2(obj * phase.conj() - truth)
    return (weight * error).sum() / (weight * physics.abs2(truth)).sum()


def _later_count_more(values: Tensor) -> Tensor:
    """Weighted mean over steps: the first counts 0.3, the last 1."""
    weights = torch.linspace(0.3, 1, len(values), device=values.device)
    return (weights * values).sum() / weights.sum()


def supervised(result: Reconstruction, region: Region, truth: Tensor) -> Tensor:
    """Log error of the object after every step, plus a share of the log misfit."""
    errors = torch.stack([object_error(o, truth, region.illumination) for o in result.objects])
    terms = (errors + 10 * EPSILON).log() + DATA_WEIGHT * (result.misfits + EPSILON).log()
    return _later_count_more(terms)


def unsupervised(result: Reconstruction, unseen: Region, misfit: Misfit) -> Tensor:
    """Log misfit to the frames the network saw, plus that to frames of the region it did not.

    Unseen frames have noise of their own: fitting the noise of the seen ones does not help there
    (Batson and Royer, Noise2Self, ICML 2019).
    """
    seen = _later_count_more((result.misfits + EPSILON).log())
    if not len(unseen):
        return seen
    return seen + (data_misfit(result.object, unseen, misfit) + EPSILON).log()
