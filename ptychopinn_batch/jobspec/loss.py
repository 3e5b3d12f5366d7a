"""`train.loss` and `train.weights`: what a network is trained for."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import Section, wrong

Loss = Literal["amplitude", "poisson", "mae"]
Weight = Annotated[float, Field(ge=0, le=1e6)]


class Weights(Section):
    """What the loss of measured regions is made of.

    The first two terms are logarithms of relative errors, so that a weight means the same whatever
    dose and contrast are; the others are means over pixels of the object.
    """

    frames: Weight = Field(1.0, description="misfit of the frames, of the kind that `loss` says")
    object: Weight = Field(
        0.0,
        description="squared error of the object against that in the scan's file, true or a "
        "reference; with frames: 0 this is supervised training",
    )
    amplitude_tv: Weight = Field(0.0, description="total variation of the amplitude [per pixel]")
    phase_tv: Weight = Field(0.0, description="total variation of the phase [rad per pixel]")
    amplitude_deviation: Weight = Field(
        0.0, description="mean absolute deviation of the amplitude from its mean"
    )
    phase_deviation: Weight = Field(
        0.0, description="mean absolute deviation of the phase from its mean [rad]"
    )

    @model_validator(mode="after")
    def _aimed(self) -> Self:
        if not (self.frames or self.object):
            what = "frames and object both weigh 0, so nothing is compared"
            raise wrong("frames", what, "Write 1, or object: 1")
        return self
