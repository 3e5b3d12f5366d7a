"""`sweep`: variants of one spec."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, model_validator

from ptychopinn_batch.jobspec.base import Section, wrong

SweepValues = Annotated[tuple[JsonValue, ...], Field(strict=False, min_length=1)]
SweepAxes = Annotated[dict[str, SweepValues], Field(min_length=1)]


class Sweep(Section):
    """Several variants of one spec, in exactly one of three forms.

    A plain mapping of dotted keys to values is short for `product`.
    """

    product: SweepAxes | None = Field(None, description="every combination of the values")
    zip: SweepAxes | None = Field(None, description="first values together, then the second ones")
    list: Annotated[
        tuple[Annotated[dict[str, JsonValue], Field(min_length=1)], ...] | None,
        Field(strict=False, min_length=1),
    ] = Field(None, description="every variant written out")

    @model_validator(mode="before")
    @classmethod
    def _plain_is_product(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.keys() & cls.model_fields.keys():
            return value
        return {"product": value}

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [form for form in type(self).model_fields if getattr(self, form) is not None]
        if len(forms) != 1:
            what = f"a sweep has one form, got {' and '.join(forms) or 'none'}"
            raise wrong("", what, "Keep one of product, zip and list")
        lengths = {len(values) for values in (self.zip or {}).values()}
        if len(lengths) > 1:
            counts = ", ".join(f"{key}: {len(values)}" for key, values in (self.zip or {}).items())
            mend = "Give every key the same number of values"
            raise wrong("zip", f"zipped keys have unequal numbers of values ({counts})", mend)
        return self
