"""`model`: the network, a trained one or a new one with its settings."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import Section, wrong

Architecture = Literal["unrolled", "cnn"]


SHIPPED_NETWORKS = ("default", "small", "large")
"""What `model.pretrained` may name without there being a folder of that name."""


class UnrolledSettings(Section):
    """The learned optimiser: one small recurrent U-Net used in every step."""

    width: int = Field(24, ge=4, le=128, description="channels of the first level")
    hidden: int = Field(16, ge=0, le=64, description="channels carried from step to step")
    depth: int = Field(
        2, ge=2, le=5, description="levels of the U-Net, the first at half the resolution"
    )


class CnnSettings(Section):
    """The autoencoder of PtychoPINN: an encoder, decoders for amplitude and phase."""

    n: int = Field(64, ge=32, le=512, multiple_of=16, description="side of a frame [pixels]")
    gridsize: int = Field(
        1, ge=1, le=3, description="gridsize^2 neighbouring frames are seen together"
    )
    lineage: Literal["tf", "torch", "head"] = Field(
        "tf", description="whose layer table: TensorFlow, PyTorch of 2025, main branch of 2026"
    )
    filters_scale: int = Field(2, ge=1, le=8, description="factor on the number of filters")
    amplitude_activation: Literal["sigmoid", "unit_sigmoid", "swish", "softplus", "relu"] = Field(
        "sigmoid",
        description="last function of the amplitude decoder; sigmoid: from 0 to 2, unit_sigmoid: "
        "from 0 to 1, as in PtychoPINN",
    )
    shared_amplitude: bool = Field(False, description="one amplitude for all frames of a group")
    input: Literal["contrast", "amplitude"] = Field(
        "contrast",
        description="what the network sees of a frame; contrast: its amplitudes less those of an "
        "empty sample; amplitude: as they are, as in PtychoPINN",
    )
    output: Literal["amplitude_phase", "real_imag"] = Field(
        "amplitude_phase", description="what the two decoders give: phases up to pi, or parts"
    )
    border_activation: Literal["own", "swish"] = Field(
        "own",
        description="last function of what lies outside the central half; own: as inside, so that "
        "phases may be negative; swish: as in PtychoPINN's code",
    )
    probe_big: bool = Field(True, description="also predict what lies outside the central half")
    cbam: bool = Field(False, description="attention blocks in the encoder")
    object_big: bool = Field(
        True, description="a group is one image of many channels; false: every frame on its own"
    )
    merge: Literal["canvas", "group"] = Field(
        "canvas",
        description="which patches are merged before a training compares them with frames: all of "
        "a region, or those of each group as in PtychoPINN",
    )

    @property
    def group(self) -> int:
        """Frames that the network sees together."""
        return self.gridsize**2 if self.object_big else 1

    @model_validator(mode="after")
    def _amplitude_exists(self) -> Self:
        if self.output == "real_imag":
            for key in ("amplitude_activation", "shared_amplitude"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    what = "a network that gives real and imaginary parts has no amplitude decoder"
                    raise wrong(key, what, "Remove the key, or write output: amplitude_phase")
        return self


class Model(Section):
    """The network: a trained one, or a new one with its own settings."""

    pretrained: str = Field(
        "default",
        min_length=1,
        description="'default', 'small', 'large': the shipped networks; 'none': a new one; "
        "'sha256:DIGEST': one that is kept in runs/.models; else the folder of a packaged model",
    )
    architecture: Architecture | None = Field(
        None, description="kind of a new network; null: 'unrolled', or what `pretrained` is"
    )
    unrolled: UnrolledSettings | None = Field(None, description="settings of a new 'unrolled'")
    cnn: CnnSettings | None = Field(None, description="settings of a new 'cnn'")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_new(cls, value: Any) -> Any:
        """A new network states all its settings, so that equal networks have equal records."""
        if not isinstance(value, dict) or value.get("pretrained") != "none":
            return value
        architecture = value.get("architecture") or "unrolled"
        if architecture not in ("unrolled", "cnn") or value.get(architecture) is not None:
            return {**value, "architecture": architecture}
        return {**value, "architecture": architecture, architecture: {}}

    @model_validator(mode="after")
    def _settings_match(self) -> Self:
        if self.pretrained == "none":
            other = "cnn" if self.architecture == "unrolled" else "unrolled"
            if getattr(self, other) is not None:
                what = f"settings of '{other}', but the architecture is '{self.architecture}'"
                raise wrong(other, what, f"Remove them, or write architecture: {other}")
            return self
        for key in ("architecture", "unrolled", "cnn"):
            if getattr(self, key) is not None:
                what = f"a pretrained network ('{self.pretrained}') brings its own {key}"
                raise wrong(key, what, "Remove the key, or write pretrained: none")
        return self

    @property
    def settings(self) -> UnrolledSettings | CnnSettings:
        """Settings of the new network; a pretrained one has its own (ValueError)."""
        settings = self.cnn if self.architecture == "cnn" else self.unrolled
        if settings is None:
            raise ValueError(f"the settings of {self.pretrained!r} stand in its own manifest")
        return settings
