"""`train.schedule` and `train.rates`: how fast the network learns, when, and which parts of it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import Section, wrong

Rates = dict[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")], Annotated[float, Field(ge=0, le=1e3)]]
SCHEDULE_KEYS: dict[str, tuple[str, ...]] = {
    "cosine": ("last",),
    "constant": (),
    "exponential": ("last", "decay"),
    "plateau": ("last", "factor", "patience", "threshold"),
}
"""Keys of a schedule that are of use, by its kind."""


class Schedule(Section):
    """How the learning rate goes on after its warm-up."""

    kind: Literal["cosine", "constant", "exponential", "plateau"] = Field(
        "cosine",
        description="half a cosine down to `last`, nothing, a factor for every epoch, or a factor "
        "whenever validation does not improve",
    )
    warm_up: int = Field(
        50, ge=0, le=10**6, description="steps that it rises in, at most a tenth of all"
    )
    last: float = Field(0.02, ge=0, le=1, description="lowest rate [fraction of `train.lr`]")
    decay: float = Field(0.95, gt=0, le=1, description="exponential: factor for every epoch")
    factor: float = Field(0.5, gt=0, lt=1, description="plateau: factor after `patience` epochs")
    patience: int = Field(
        2, ge=0, le=10**6, description="plateau: epochs without improvement that are borne"
    )
    threshold: float = Field(
        0.0, ge=0, lt=1, description="plateau: smallest relative gain that is an improvement"
    )

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        used = SCHEDULE_KEYS[self.kind]
        for key in set(type(self).model_fields) - {"kind", "warm_up", *used}:
            if getattr(self, key) != type(self).model_fields[key].default:
                what = f"this key is of no use where the kind is '{self.kind}'"
                raise wrong(key, what, "Remove the key, or write another kind")
        return self
