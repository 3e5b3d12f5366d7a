"""`refine`: what is not believed of a scan, and found before it is reconstructed."""

from __future__ import annotations

import math
from typing import Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import Section, wrong


class Refine(Section):
    """What is not believed of a scan, and found before it is reconstructed."""

    probe: bool = Field(True, description="improve the probe")
    modes: int | None = Field(
        None,
        ge=1,
        le=8,
        description="incoherent modes of the probe, at least; null: as many as the scan says",
    )
    positions: bool = Field(False, description="find where each frame really lies")
    position_error: float = Field(
        2.0,
        gt=0,
        le=100,
        description="how far off positions are expected to be, r.m.s. [object pixels]",
    )
    steps: int = Field(32, ge=8, le=1000, description="steps of the network, refined in between")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.probe and not self.positions:
            mend = "Write probe: true or positions: true, or remove the section"
            raise wrong("probe", "nothing is refined", mend)
        if self.modes and not self.probe:
            mend = "Write probe: true, or remove modes"
            raise wrong("modes", "modes are found by refining the probe", mend)
        return self

    @property
    def furthest(self) -> float:
        """How far a frame may be moved in x and y [object pixels]; errors this large are rare."""
        return 3.5 * self.position_error if self.positions else 0.0

    @property
    def margin(self) -> int:
        """What the canvas needs on all sides for that [object pixels]."""
        return math.ceil(self.furthest)
