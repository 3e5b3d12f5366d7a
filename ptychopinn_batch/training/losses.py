"""Losses of a lesson: on the object where it is known, on the frames, and on its smoothness."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.jobspec import Weights
from ptychopinn_batch.misfit import MISFITS, Misfit, data_misfit
from ptychopinn_batch.networks.base import Reconstruction
from ptychopinn_batch.region import Region

LIT = 0.05  # share of the brightest illumination above which the object is compared
DATA_WEIGHT = 0.3  # of the data term beside the object's error
EPSILON = 1e-5  # added before logarithms: below it nothing is left to learn


def object_error(obj: Tensor, truth: Tensor, light: Tensor) -> Tensor:
    """Squared error relative to the truth, weighted by light, up to one global phase.

    All (H, W). The phase is the one that makes the error smallest. Pixels whose truth is not known
    (NaN) are left out.
    """
    known = truth.isfinite()
    truth = torch.where(known, truth, 0)
    weight = light * (light > LIT * light.max()) * known
    overlap = physics.scaled(obj * truth.conj(), weight).sum()
    phase = overlap / (overlap.abs() + 1e-12)
    error = physics.abs2(obj * phase.conj() - truth)
    return (weight * error).sum() / ((weight * physics.abs2(truth)).sum() + 1e-12)


def _later_count_more(values: Tensor) -> Tensor:
    """Weighted mean over steps: the first counts 0.3, the last 1."""
    weights = torch.linspace(0.3, 1, len(values), device=values.device)
    return (weights * values).sum() / weights.sum()


def supervised(result: Reconstruction, region: Region, truth: Tensor) -> Tensor:
    """Loss of a simulated region: log error after every step, plus a share of the log misfit."""
    errors = torch.stack([object_error(o, truth, region.illumination) for o in result.objects])
    terms = (errors + 10 * EPSILON).log() + DATA_WEIGHT * (result.misfits + EPSILON).log()
    return _later_count_more(terms)


def mixture(kinds: Sequence[tuple[str, float]]) -> Misfit:
    """Several kinds of misfit with these shares as one."""
    if len(kinds) == 1:
        return MISFITS[kinds[0][0]]

    def mixed(model: Tensor, measured: Tensor) -> Tensor:
        return torch.stack([part * MISFITS[kind](model, measured) for kind, part in kinds]).sum()

    return mixed


def measured_loss(
    result: Reconstruction, region: Region, unseen: Region, weights: Weights, misfit: Misfit
) -> Tensor:
    """Loss of a measured region, as a spec weighs its terms.

    `region`: frames that the network saw, `unseen`: others on the same canvas.
    """
    terms = [weight * TERMS[name](result.object, result.seen) for name, weight in _smooth(weights)]
    if weights.frames:
        terms.append(weights.frames * frames_term(result, unseen, misfit))
    if weights.object:
        assert region.truth is not None
        terms.append(weights.object * object_term(result, region, region.truth))
    return torch.stack(terms).sum()


def _smooth(weights: Weights) -> Iterator[tuple[str, float]]:
    """The regularisers in use."""
    for name in TERMS:
        weight = getattr(weights, name)
        if weight:
            yield name, weight


def frames_term(result: Reconstruction, unseen: Region, misfit: Misfit) -> Tensor:
    """Log misfit to the frames the network saw, plus that to frames of the region it did not.

    Unseen frames have noise of their own: fitting the noise of the seen ones does not help there
    (Batson and Royer, Noise2Self, ICML 2019).
    """
    seen = _later_count_more((result.misfits + EPSILON).log())
    if not len(unseen):
        return seen
    return seen + (data_misfit(result.object, unseen, misfit) + EPSILON).log()


def object_term(result: Reconstruction, region: Region, truth: Tensor) -> Tensor:
    """Log error of the object after every step."""
    errors = torch.stack([object_error(o, truth, region.illumination) for o in result.objects])
    return _later_count_more((errors + 10 * EPSILON).log())


def total_variation(across: Tensor, down: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, in rows plus in columns; both of them seen.

    Differences: across (H, W - 1), down (H - 1, W); seen: (H, W) bool.
    """
    return _mean(across.abs(), seen[:, 1:] & seen[:, :-1]) + _mean(down.abs(), seen[1:] & seen[:-1])


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)


def amplitude_tv(obj: Tensor, seen: Tensor) -> Tensor:
    """Of an object (H, W) complex64."""
    size = obj.abs()
    return total_variation(size.diff(dim=1), size.diff(dim=0), seen)


def phase_tv(obj: Tensor, seen: Tensor) -> Tensor:
    """Of an object (H, W) complex64; a step across +-pi is as small as it is."""
    across, down = obj[:, 1:] * obj[:, :-1].conj(), obj[1:] * obj[:-1].conj()
    return total_variation(across.angle(), down.angle(), seen)


def amplitude_deviation(obj: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute deviation of the amplitude from its mean."""
    size = obj.abs()
    return _mean((size - _mean(size, seen)).abs(), seen)


def phase_deviation(obj: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute deviation of the phase from that of the mean object."""
    mean = (obj * seen).sum()
    return _mean((obj * mean.conj()).angle().abs(), seen)


TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "amplitude_tv": amplitude_tv,
    "phase_tv": phase_tv,
    "amplitude_deviation": amplitude_deviation,
    "phase_deviation": phase_deviation,
}
"""Regularisers by the name of their weight: of an object (H, W) and its seen pixels."""
