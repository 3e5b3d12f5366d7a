"""The whole job spec language, version 1: every key with its type, unit, default and range.

A job spec is a YAML file. What it may say is these models and nothing else: unknown keys are
errors. `specfile` reads files into them, the JSON Schema and `docs/jobspec.md` are generated from
them. Units stand in square brackets at the end of a description.

Rules that tie several keys together are raised through `wrong`, which names the key at fault and
the mend; `specfile` adds file and line.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from hpc.record import Record
from hpc.resources import Duration, Resources
from hpc.retry import RetryPolicy

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
SafeName = Annotated[
    str,
    Field(
        pattern=NAME,
        json_schema_extra={
            "patternErrorMessage": "1 to 64 letters, digits, '.', '_' or '-', beginning with a "
            "letter or a digit"
        },
    ),
]
TaskTime = Annotated[
    Duration,
    Field(gt=timedelta(0)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(\d+-)?\d+:[0-5]\d:[0-5]\d$",
            "patternErrorMessage": "a time as HH:MM:SS",
        }
    ),
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Architecture = Literal["unrolled", "cnn"]
ResultExport = Literal["npz", "ptychodus", "png", "tiff", "ome-zarr"]
ModelExport = Literal["bundle", "safetensors"]
Export = Literal[ResultExport, ModelExport]


class Section(Record):
    """A mapping of the job spec: strict, frozen, without room for unknown keys."""

    model_config = ConfigDict(allow_inf_nan=False)


def wrong(key: str, what: str, mend: str) -> PydanticCustomError:
    """A broken rule between keys. `key` is dotted and relative to the model that raises."""
    return PydanticCustomError("rule", "{what}", {"key": key, "what": what, "mend": mend})


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


class Datasets(Section):
    """Names of datasets in an HDF5 file of a layout not known here, such as /entry/data/data."""

    frames: str | None = Field(
        None,
        min_length=1,
        description="frames (K, rows, columns), or (grid rows, grid columns, rows, columns); a "
        "pattern such as /entry/data/data_* joins several; null: the signal of the file's NXdata",
    )
    positions: str | None = Field(
        None, min_length=1, description="positions (K, 2 or more) as (x, y)"
    )
    x: str | None = Field(
        None, min_length=1, description="x of each frame, or of each column of a grid"
    )
    y: str | None = Field(None, min_length=1, description="y of each frame, or of each row")
    index: str | None = Field(
        None, min_length=1, description="number of each frame, which results keep"
    )
    probe: str | None = Field(None, min_length=1, description="probe, complex")
    object: str | None = Field(
        None,
        min_length=1,
        description="object to compare with, complex; positions count its pixels",
    )
    mask: str | None = Field(None, min_length=1, description="detector mask, nonzero where bad")
    energy: str | None = Field(None, min_length=1, description="photon energy")
    distance: str | None = Field(None, min_length=1, description="distance from sample to detector")
    detector_pixel: str | None = Field(
        None, min_length=1, description="pitch of the detector's pixels"
    )


class Files(Section):
    """Other files that belong to a scan, looked for as `path` is."""

    frames: str | None = Field(
        None, min_length=1, description="frames, where `path` holds all but them"
    )
    positions: str | None = Field(
        None, min_length=1, description="table of positions: CSV or text, or HDF5 with `datasets`"
    )
    probe: str | None = Field(
        None, min_length=1, description="probe: NPY, NPZ, a product, or HDF5 with `datasets`"
    )
    mask: str | None = Field(
        None, min_length=1, description="detector mask, nonzero where bad: NPY, NPZ, TIFF or HDF5"
    )


OWN_READERS = (
    "ptychopinn",
    "ptychodus",
    "ptychodus_npz",
    "ptychodus_training",
    "cxi",
    "hdf5",
    "tiff",
)
FILE_KEYS = ("name", "path", "files")
"""Keys of a scan that say where it lies, not what it holds."""


class Scan(Section):
    """One scan, or several of one kind when `path` is a pattern: from files or simulated."""

    name: SafeName | None = Field(
        None, description="name in result folders; null: the file's own name, or 'simulated'"
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="a file or folder, or a pattern such as data/*.npz; looked for beside the spec "
        "file, then in the working folder",
    )
    simulate: Simulation | None = Field(None, description="a simulation in place of `path`")
    format: str = Field(
        "auto",
        pattern=r"^[a-z][a-z0-9_]*$",
        description=f"{', '.join(OWN_READERS)}, or that of an installed reader; auto: found from "
        "the file",
    )
    files: Files | None = Field(None, description="other files that belong to the scan")
    datasets: Datasets | None = Field(None, description="names in an HDF5 file")
    measurement: Literal["auto", "counts", "amplitude"] = Field(
        "auto", description="what the numbers in the frames are; auto: found from the file"
    )
    positions: Literal["final", "start"] = Field(
        "final", description="which positions of the file to use: corrected or nominal ones"
    )
    position_unit: Literal["auto", "px", "m", "mm", "um", "nm"] = Field(
        "auto", description="unit of the positions; auto: what format and file say"
    )
    position_columns: tuple[Literal["x", "y"], Literal["x", "y"]] | None = Field(
        None, strict=False, description="columns of a table without a header, [x, y] or [y, x]"
    )
    axis_order: Literal["auto", "frames_first", "frames_last"] = Field(
        "auto", description="which axis of the frames array counts frames"
    )
    swap_xy: bool = Field(False, description="exchange x and y of the positions")
    flip_x: bool = Field(False, description="negate x of the positions")
    flip_y: bool = Field(False, description="negate y of the positions")
    rotation: float = Field(
        0.0, ge=-360, le=360, description="turn the positions, from x towards y, after that [deg]"
    )
    select: str | None = Field(
        None,
        pattern=r"^\d*:\d*(:\d+)?$",
        description="which frames of the file to use, START:STOP:STEP counted from 0",
    )
    frames: int | None = Field(None, ge=2, description="use only the first so many of these frames")
    crop: int | None = Field(
        None, ge=8, le=16384, description="side of the square to use of each frame [pixels]"
    )
    centre: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = Field(
        None,
        strict=False,
        description="row and column of the beam's centre in the frames of the file; null: their "
        "middle [pixels]",
    )
    bin: int = Field(1, ge=1, le=64, description="detector pixels a side that are added up")
    energy_ev: float | None = Field(None, gt=0, le=1e9, description="photon energy [eV]")
    distance_m: float | None = Field(
        None, gt=0, le=1e3, description="distance from sample to detector [m]"
    )
    detector_pixel_m: float | None = Field(
        None, gt=0, le=1, description="pitch of the detector's pixels, before binning [m]"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.path and self.simulate:
            raise wrong("simulate", "a scan has either a path or a simulation", "Remove one")
        if not (self.path or self.simulate):
            what = "a scan needs a path or a simulation"
            raise wrong("", what, "Write path: FILE or simulate: {}")
        if self.simulate:
            self._no_file_keys(self.simulate)
        return self

    @model_validator(mode="after")
    def _whole_geometry(self) -> Self:
        """A file may bring what a spec leaves out; a simulation has all three numbers or none."""
        missing = [key for key in GEOMETRY if getattr(self, key) is None]
        if self.simulate and 0 < len(missing) < len(GEOMETRY):
            what = f"the geometry lacks {' and '.join(missing)}"
            raise wrong(missing[0], what, "Write all three of " + ", ".join(GEOMETRY) + ", or none")
        return self

    @model_validator(mode="after")
    def _fitting_keys(self) -> Self:
        side = 2 * self.bin
        if self.crop and self.crop % side:
            mend = f"Write {max(self.crop // side, 1) * side}"
            raise wrong("crop", f"{self.crop} pixels do not make an even number of bins", mend)
        if self.position_columns and len(set(self.position_columns)) == 1:
            raise wrong("position_columns", "x and y are different columns", "Write [x, y]")
        if self.select and self.select.endswith(":0"):
            raise wrong("select", "a step of 0", "Write a step of 1 or more")
        return self

    def _no_file_keys(self, simulation: Simulation) -> None:
        for key, field in type(self).model_fields.items():
            if key not in SIMULATED_KEYS and getattr(self, key) != field.default:
                raise wrong(key, "this key tells how to read a file, not a simulation", "Remove it")
        if self.frames and self.frames > simulation.frames:
            what = f"{self.frames} frames asked for, {simulation.frames} simulated"
            raise wrong("frames", what, "Remove the key")


GEOMETRY = ("energy_ev", "distance_m", "detector_pixel_m")
SIMULATED_KEYS = ("name", "path", "simulate", "frames", *GEOMETRY)


class UnrolledSettings(Section):
    """The learned optimiser: one small recurrent U-Net used in every step."""

    width: int = Field(24, ge=4, le=128, description="channels of the first level")
    hidden: int = Field(16, ge=0, le=64, description="channels carried from step to step")
    depth: int = Field(
        4, ge=2, le=5, description="levels of the U-Net, the first at half the resolution"
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
        description="'default': the shipped network; 'none': a new one; 'sha256:DIGEST': one that "
        "is kept in runs/.models; else the folder of a packaged model",
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


Weight = Annotated[float, Field(ge=0, le=1e6)]
Rates = dict[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")], Annotated[float, Field(ge=0, le=1e3)]]


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
            raise wrong("frames", "nothing is compared with anything", "Write 1, or object: 1")
        return self


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


SCHEDULE_KEYS: dict[str, tuple[str, ...]] = {
    "cosine": ("last",),
    "constant": (),
    "exponential": ("last", "decay"),
    "plateau": ("last", "factor", "patience", "threshold"),
}
"""Keys of a schedule that are of use, by its kind."""


class Stage(Section):
    """What is different in a training from one of its epochs on; the rest stays as it was."""

    from_epoch: int = Field(ge=2, le=10**6, description="first epoch of the stage, counted from 1")
    ramp: int = Field(
        0, ge=0, le=10**6, description="epochs in which loss and weights change over; 0: at once"
    )
    curve: Literal["linear", "cosine", "quadratic"] = Field(
        "linear", description="how they change over"
    )
    loss: Literal["amplitude", "poisson", "mae"] | None = Field(
        None, description="as `train.loss`; null: as before"
    )
    weights: Weights | None = Field(None, description="all weights anew; null: as before")
    lr: float = Field(1.0, gt=0, le=1e3, description="factor on the learning rate in this stage")
    rates: Rates | None = Field(None, description="as `train.rates`; null: as before")


class Train(Section):
    """Training, or adaptation of a pretrained network. Without this section there is none."""

    epochs: int = Field(10, ge=1, le=10**6, description="number of epochs")
    regions_per_epoch: Literal["cover"] | Annotated[int, Field(ge=1, le=10**6)] = Field(
        100,
        description="regions seen in an epoch; cover: so many that every frame is in exactly one",
    )
    simulated: float = Field(
        0.0, ge=0, le=1, description="share of regions that the simulator makes; 1: no scan needed"
    )
    refined: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of simulated regions whose probe and positions are refined between the "
        "steps, so that the network learns to live with it",
    )
    loss: Literal["amplitude", "poisson", "mae"] = Field(
        "amplitude", description="misfit of measured regions: least squares, deviance, absolute"
    )
    weights: Weights = Field(Weights(), description="of the terms of the loss")
    lr: float = Field(1e-3, gt=0, le=1, description="learning rate")
    schedule: Schedule = Field(Schedule(), description="how the learning rate changes")
    rates: Rates = Field(
        {},
        description="factors on the learning rate of parts of the network, by names in those of "
        "its weights, such as {encoder: 0}; 0: the part is frozen",
    )
    stages: tuple[Stage, ...] = Field((), strict=False, description="later parts of the training")
    weight_decay: float = Field(1e-4, ge=0, le=1, description="decay of the weights (AdamW)")
    accumulate: int = Field(2, ge=1, le=1024, description="regions in one step of the optimiser")
    clip_norm: float = Field(1.0, gt=0, le=1e6, description="largest norm of a gradient")
    unroll: tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]] = Field(
        (3, 6), strict=False, description="fewest and most steps with gradient"
    )
    warm: int = Field(8, ge=0, le=256, description="most steps without gradient before them")
    warm_share: float = Field(0.4, ge=0, le=1, description="share of regions with such steps")
    window: int = Field(
        192, ge=32, le=2048, multiple_of=8, description="side of a measured region [object pixels]"
    )
    frames_per_region: int = Field(256, ge=4, le=10**5, description="most frames of a region")
    validation: float = Field(
        0.1, ge=0, le=0.5, description="share of frames kept from training, to validate on"
    )
    split: Literal["space", "frames"] = Field(
        "space",
        description="which frames those are; space: a square with a guard zone, no patch overlaps "
        "one that is trained on; frames: some between the others",
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the running average of the weights that is validated and kept; "
        "0: the weights themselves",
    )
    precision: Literal["32", "bf16"] = Field("32", description="arithmetic of the network")
    devices: int = Field(1, ge=1, le=64, description="processes, each with its device, on a node")
    nodes: int = Field(1, ge=1, le=1024, description="machines")
    workers: int = Field(1, ge=0, le=64, description="processes that load data, for each device")
    compile: bool = Field(False, description="compile the network: slow to begin, then faster")
    track: tuple[Literal["tensorboard", "mlflow"], ...] = Field(
        (), strict=False, description="where else the course of the training is recorded"
    )
    pictures: int = Field(
        10, ge=0, le=10**6, description="epochs between pictures of the training; 0: none"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.regions_per_epoch == "cover" and self.simulated == 1:
            what = "there are no frames to cover where every region is simulated"
            raise wrong("regions_per_epoch", what, "Write a number")
        if len(set(self.track)) < len(self.track):
            raise wrong("track", "a tracker is named twice", "Name each once")
        return self

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        fewest, most = self.unroll
        if fewest > most:
            what = f"the fewest steps ({fewest}) exceed the most ({most})"
            raise wrong("unroll", what, f"Write [{most}, {fewest}]")
        return self

    @model_validator(mode="after")
    def _stages_follow(self) -> Self:
        before = 1
        for index, stage in enumerate(self.stages):
            key = f"stages.{index}.from_epoch"
            if stage.from_epoch <= before:
                what = f"epoch {stage.from_epoch} does not follow epoch {before}"
                raise wrong(key, what, "Write stages in their order, each with a later epoch")
            if stage.from_epoch > self.epochs:
                what = f"a stage from epoch {stage.from_epoch} on, but there are {self.epochs}"
                raise wrong(key, what, "Write an earlier epoch, or a larger train.epochs")
            before = stage.from_epoch
        return self

    @model_validator(mode="after")
    def _for_measured(self) -> Self:
        """Simulated regions are always judged by their true objects."""
        if self.simulated == 1 and self.weights != Weights():
            mend = "Remove the key, or write a smaller train.simulated"
            raise wrong("weights", "they are of no use where every region is simulated", mend)
        return self

    @property
    def needs_object(self) -> bool:
        """Whether any loss looks at the object in a scan's file."""
        staged = [stage.weights for stage in self.stages if stage.weights]
        return any(weights.object > 0 for weights in (self.weights, *staged))


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


class Infer(Section):
    """Reconstruction of whole scans, tile by tile."""

    steps: int = Field(16, ge=1, le=1000, description="steps of the network; 4: a look, 32: fine")
    tile: int = Field(
        512, ge=64, le=8192, multiple_of=64, description="side of a tile [object pixels]"
    )
    halo: Literal["auto"] | Annotated[int, Field(ge=0, le=4096)] = Field(
        "auto", description="margin read around a tile; auto: from the steps [object pixels]"
    )
    precision: Literal["auto", "32", "bf16"] = Field(
        "auto", description="arithmetic of the network; auto: bf16 where the processor has it"
    )
    tiles_per_task: int = Field(16, ge=1, le=10**6, description="tiles that one task owns")

    @model_validator(mode="after")
    def _halo_in_proportion(self) -> Self:
        if self.halo != "auto" and self.halo > 2 * self.tile:
            what = f"a halo of {self.halo} around tiles of {self.tile} repeats most work 25 times"
            raise wrong("halo", what, "Write a larger tile, a halo up to 2 tiles, or auto")
        return self


class StageLimits(Section):
    """What a task of one stage may use. A cluster enforces it; GPUs are used where given."""

    time: TaskTime = Field(timedelta(hours=1), description="longest time of a task [HH:MM:SS]")
    mem_gb: float = Field(8.0, gt=0, le=1e5, description="memory of a node [GB]")
    cpus: int = Field(2, ge=1, le=1024, description="processor cores of a process")
    gpus: int = Field(0, ge=0, le=64, description="GPUs of a node; 0: none needed")
    array_parallelism: int = Field(8, ge=1, le=10**5, description="tasks that run at once")

    def resources(self, *, nodes: int = 1, tasks_per_node: int = 1) -> Resources:
        """These limits for one task of that many nodes and processes on a node."""
        return Resources(
            time=self.time,
            mem_gb=self.mem_gb,
            cpus=self.cpus,
            gpus=self.gpus,
            nodes=nodes,
            tasks_per_node=tasks_per_node,
        )


class TrainLimits(StageLimits):
    """What a training may use."""

    time: TaskTime = Field(timedelta(hours=4), description="longest time of a task [HH:MM:SS]")
    mem_gb: float = Field(16.0, gt=0, le=1e5, description="memory of a node [GB]")
    array_parallelism: int = Field(4, ge=1, le=10**5, description="tasks that run at once")


class InferLimits(StageLimits):
    """What a block of tiles may use."""

    array_parallelism: int = Field(32, ge=1, le=10**5, description="tasks that run at once")


class RefineLimits(StageLimits):
    """What finding the probe and the positions of a scan may use."""

    mem_gb: float = Field(16.0, gt=0, le=1e5, description="memory of a node [GB]")


class StageResources(Section):
    """Limits of every stage; a key that is left out keeps the stage's own default."""

    prepare: StageLimits = Field(StageLimits(), description="reading or simulating a scan")
    train: TrainLimits = Field(TrainLimits(), description="training")
    refine: RefineLimits = Field(RefineLimits(), description="finding probe and positions")
    infer: InferLimits = Field(InferLimits(), description="reconstruction of a block of tiles")
    finalize: StageLimits = Field(StageLimits(), description="packaging, exports and metrics")


class Retry(RetryPolicy, Section):
    """How often a task is tried again by itself, by what ended it. Errors in the code never are."""


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


class JobSpec(Section):
    """One file: which scans, which network, what to do with them, and what to write."""

    version: Literal[1] = Field(description="version of this language")
    name: SafeName = Field(description="name of the run and of its folder")
    seed: Seed = Field(0, description="seed of everything random but simulated scans")
    scans: tuple[Scan, ...] = Field(
        (), strict=False, description="what to reconstruct; may be empty when train.simulated is 1"
    )
    model: Model = Field(Model(), description="the network")
    train: Train | None = Field(None, description="training; null: none")
    refine: Refine | None = Field(
        None, description="probe, modes and positions found before it; null: taken as they are"
    )
    infer: Infer = Field(Infer(), description="reconstruction")
    export: tuple[Export, ...] = Field(
        ("npz", "ptychodus", "png"),
        strict=False,
        description="formats of the results, and of the network (bundle, safetensors)",
    )
    sweep: Sweep | None = Field(None, description="variants to compare; null: one, 'default'")
    resources: StageResources = Field(StageResources(), description="limits of the tasks")
    retry: Retry = Field(Retry(), description="what is tried again by itself, and how often")
    profiles: dict[str, dict[str, JsonValue]] = Field(
        {}, description="named sets of dotted keys and values that `--profile` applies"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in self._problems():
            raise problem
        return self

    def _problems(self) -> Iterator[PydanticCustomError]:
        if not self.scans and not (self.train and self.train.simulated == 1):
            mend = "Write at least one scan, or train.simulated: 1 to train on simulations alone"
            yield wrong("scans", "there is no scan", mend)
        if len(set(self.export)) < len(self.export):
            yield wrong("export", "a format is named twice", "Name each format once")
        yield from self._name_problems()
        if self.refine and self.model.architecture == "cnn":
            mend = "Remove the section, or use an 'unrolled' network"
            yield wrong("refine", "a 'cnn' has no steps to refine anything between", mend)
        yield from self._cnn_problems()
        gpus = self.resources.train.gpus
        if self.train and 0 < gpus < self.train.devices:
            what = f"train.devices is {self.train.devices}, but the task has {gpus} GPUs"
            yield wrong("resources.train.gpus", what, f"Write {self.train.devices}, or 0")

    def _name_problems(self) -> Iterator[PydanticCustomError]:
        seen: dict[str, int] = {}
        for index, name in enumerate(scan.name for scan in self.scans):
            if name in seen:
                what = f"two scans are named '{name}' (scans.{seen[name]} and scans.{index})"
                yield wrong(f"scans.{index}.name", what, "Give each scan a name of its own")
            if name is not None:
                seen[name] = index

    def _cnn_problems(self) -> Iterator[PydanticCustomError]:
        if self.model.architecture != "cnn" or self.model.cnn is None:
            return
        if self.train is None:
            mend = "Write a train section, or use pretrained: default"
            yield wrong("model.architecture", "a new 'cnn' is of no use without training", mend)
        elif self.model.cnn.group > self.train.frames_per_region:
            what = "a group holds more frames than a region"
            yield wrong("model.cnn.gridsize", what, "Write a larger train.frames_per_region")
        elif self.train.simulated:
            what = "a 'cnn' knows one size of frame, simulated regions have many"
            yield wrong("train.simulated", what, "Write 0, and a simulated scan under scans")
        for index, scan in enumerate(self.scans):
            side = scan.simulate.frame_size if scan.simulate else self.model.cnn.n
            if side != self.model.cnn.n:
                what = f"scans.{index} has frames of {side} pixels, the network {self.model.cnn.n}"
                yield wrong("model.cnn.n", what, f"Write {side}")
