"""What the frames ask of the exit waves behind the sample."""

from __future__ import annotations

from torch import Tensor

from ptychopinn_batch import physics
from ptychopinn_batch.region import Region


def exit_change(obj: Tensor, region: Region, chunk: slice) -> Tensor:
    """Corrected minus modelled exit waves (k, M, N, N): modulus replaced by the measured one."""
    waves = physics.exit_to_detector(obj, region.corners[chunk], region.probes_of(chunk))
    model = (physics.intensity(waves) + (physics.FLOOR * region.scale.amplitude) ** 2).sqrt()
    change = region.trusted(region.amplitudes[chunk] / model - 1)
    return physics.ifft(physics.scaled(waves, change[:, None]))
