"""`infer`: reconstruction of whole scans."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import Section, wrong

Side = Annotated[int, Field(ge=64, le=8192, multiple_of=64)]


class Infer(Section):
    """Reconstruction of whole scans, tile by tile."""

    steps: int = Field(16, ge=1, le=1000, description="steps of the network; 4: a look, 32: fine")
    tile: Literal["auto"] | Side = Field(
        "auto",
        description="side of a tile; auto: as large as 2 GiB of frames allow [object pixels]",
    )
    halo: Literal["auto"] | Annotated[int, Field(ge=0, le=4096)] = Field(
        "auto", description="margin read around a tile; auto: from the steps [object pixels]"
    )
    precision: Literal["auto", "32", "bf16"] = Field(
        "auto",
        description="arithmetic of the network; auto: bf16 where the processor has it; 32: single "
        "precision, as torch does it (convolutions on new GPUs of NVIDIA in TF32)",
    )
    tiles_per_task: int = Field(4, ge=1, le=10**6, description="tiles that one task owns")

    @model_validator(mode="after")
    def _halo_in_proportion(self) -> Self:
        if self.halo != "auto" and self.tile != "auto" and self.halo > 2 * self.tile:
            what = f"a halo of {self.halo} around tiles of {self.tile} repeats most work 25 times"
            raise wrong("halo", what, "Write a larger tile, a halo up to 2 tiles, or auto")
        return self


class Tiled(Infer):
    """The same for one scan: the side of its tiles is chosen."""

    tile: Side = Field(512, description="side of a tile [object pixels]")
