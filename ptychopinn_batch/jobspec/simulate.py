"""`scans[].simulate`: a scan made by the simulator."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from ptychopinn_batch.jobspec.base import Section, Seed, wrong


class Simulation(Section):
    """A scan made by the simulator: its object, probe and pattern are known exactly."""

    frames: int = Field(1764, ge=4, le=10**8, description="number of frames")
    frame_size: int = Field(
        64, ge=16, le=512, multiple_of=2, description="side of a frame, even [pixels]"
    )
    object: Literal["natural", "star", "shapes", "field", "weak"] = Field(
        "natural",
        description="what is looked at: a natural texture, a Siemens star, geometric shapes, "
        "a smooth random field, a weak phase object",
    )
    amplitude_min: float = Field(0.5, ge=0, le=1, description="lowest amplitude of the object")
    opaque: float = Field(0.0, ge=0, le=0.9, description="share of it that lets no light through")
    phase_range: float = Field(1.5, ge=0, le=100, description="range of its phase [rad]")
    probe: Literal["lens", "ring", "diffuser"] = Field(
        "lens", description="how the beam is formed: lens, zone plate with a stop, diffuser"
    )
    probe_radius: float = Field(
        0.1, gt=0, lt=0.4, description="radius that holds 90 % of the beam [fraction of frame_size]"
    )
    defocus: float = Field(
        4.0, ge=-100, le=100, description="defocus phase at the edge of the aperture [rad]"
    )
    pattern: Literal["jittered_grid", "raster", "spiral", "lines"] = Field(
        "jittered_grid",
        description="where the frames are taken; lines: dense lines, each with a gap",
    )
    step: float = Field(4.5, gt=0, le=512, description="distance of neighbours [object pixels]")
    columns: int | None = Field(
        None, ge=1, description="frames in a row of a grid; null: as square as the number allows"
    )
    photons: float = Field(1e6, gt=0, le=1e15, description="mean dose of a frame [photons]")
    modes: int = Field(1, ge=1, le=8, description="incoherent modes of the probe")
    recorded_modes: int | None = Field(
        None, ge=1, le=8, description="how many of them the scan says; null: all"
    )
    probe_defocus_error: float = Field(
        0.0,
        ge=-2,
        le=2,
        description="error of the recorded probe's defocus, the aperture being right [fraction of "
        "defocus]",
    )
    position_error: float = Field(
        0.0, ge=0, le=100, description="error of the recorded positions, r.m.s. [object pixels]"
    )
    bad_pixels: int = Field(0, ge=0, description="dead detector pixels, masked")
    hot_pixels: int = Field(0, ge=0, description="detector pixels that count too much, masked")
    beamstop: float = Field(
        0.0, ge=0, le=32, description="radius of a stop in the detector's middle, masked [pixels]"
    )
    seed: Seed = Field(0, description="same seed, same scan")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.columns and self.pattern == "spiral":
            raise wrong("columns", "a spiral has no columns", "Remove the key, or write a grid")
        if self.columns and self.columns > self.frames:
            mend = "Write a number up to `frames`"
            raise wrong("columns", f"{self.columns} columns, but {self.frames} frames", mend)
        if self.bad_pixels + self.hot_pixels > self.frame_size**2 // 2:
            what = f"{self.bad_pixels + self.hot_pixels} bad pixels of {self.frame_size**2}"
            raise wrong(
                "bad_pixels", f"{what} leave too few", "Write fewer than half of the pixels"
            )
        return self

    @model_validator(mode="after")
    def _recorded(self) -> Self:
        if self.recorded_modes and self.recorded_modes > self.modes:
            what = f"{self.recorded_modes} modes recorded, but the probe has {self.modes}"
            raise wrong("recorded_modes", what, "Write a number up to `modes`")
        if self.probe_defocus_error and self.probe == "diffuser":
            what, mend = "a diffuser has no defocus to be wrong", "Remove the key, or write a lens"
            raise wrong("probe_defocus_error", what, mend)
        if self.beamstop > self.frame_size / 4:
            what = f"a beamstop of radius {self.beamstop:g} on frames of {self.frame_size}"
            raise wrong("beamstop", what, f"Write a radius up to {self.frame_size // 4}")
        return self
