"""Complex objects: an amplitude and a phase image made of one material field or of two."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

from ptychopinn_batch.simulate import fields

Object = NDArray[np.complex64]


def complex_object(
    absorption: fields.Image, delay: fields.Image, *, lowest: float, phase_range: float
) -> Object:
    """Amplitude from `lowest` to 1, phase over `phase_range` rad around 0; images in [0, 1]."""
    amplitude = lowest + (1 - lowest) * absorption
    return (amplitude * np.exp(1j * phase_range * (delay - 0.5))).astype(np.complex64)


def random_object(side: int, random: Generator) -> Object:
    """(side, side): lowest amplitude 0 to 1, phase range 0.1 to 4 pi rad of either sign."""
    first = fields.any_field(side, random)
    second = first if random.random() < 0.4 else fields.any_field(side, random)
    lowest = random.uniform(0.0, 1.0) if random.random() < 0.8 else 1.0
    span = np.exp(random.uniform(np.log(0.1), np.log(4 * np.pi))) * random.choice([-1, 1])
    soft = [ndimage.gaussian_filter(f, random.uniform(0.4, 0.8)) for f in (first, second)]
    return complex_object(*soft, lowest=lowest, phase_range=span)
