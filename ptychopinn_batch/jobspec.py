"""The whole job spec language, version 1: every key with its type, unit, default and range.

A job spec is a YAML file. What it may say is these models and nothing else: unknown keys are
errors. `specfile` reads files into them, the JSON Schema and `docs/jobspec.md` are generated from
them. Units stand in square brackets at the end of a description.

Rules that tie several keys together are raised through `wrong`, which names the key at fault and
the mend; `specfile` adds file and line.
"""

from __future__ import annotations

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
Export = Literal["npz", "ptychodus", "png"]


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
    pattern: Literal["jittered_grid", "raster", "spiral"] = Field(
        "jittered_grid", description="where the frames are taken"
    )
    step: float = Field(4.5, gt=0, le=512, description="distance of neighbours [object pixels]")
    columns: int | None = Field(
        None, ge=1, description="frames in a row of a grid; null: as square as the number allows"
    )
    photons: float = Field(1e6, gt=0, le=1e15, description="mean dose of a frame [photons]")
    modes: int = Field(1, ge=1, le=8, description="incoherent modes of the probe")
    position_error: float = Field(
        0.0, ge=0, le=100, description="error of the recorded positions, r.m.s. [object pixels]"
    )
    bad_pixels: int = Field(0, ge=0, description="dead detector pixels, masked")
    seed: Seed = Field(0, description="same seed, same scan")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.columns and self.pattern == "spiral":
            raise wrong("columns", "a spiral has no columns", "Remove the key, or write a grid")
        if self.columns and self.columns > self.frames:
            mend = "Write a number up to `frames`"
            raise wrong("columns", f"{self.columns} columns, but {self.frames} frames", mend)
        if self.bad_pixels > self.frame_size**2 // 2:
            what = f"{self.bad_pixels} bad pixels of {self.frame_size**2} leave too few"
            raise wrong("bad_pixels", what, "Write fewer than half of the pixels")
        return self


class Scan(Section):
    """One scan, or several of one kind when `path` is a pattern: from files or simulated."""

    name: SafeName | None = Field(
        None, description="name in result folders; null: the file's own name, or 'simulated'"
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="an NPZ file, or a pattern such as data/*.npz; looked for beside the spec "
        "file, then in the working folder",
    )
    simulate: Simulation | None = Field(None, description="a simulation in place of `path`")
    measurement: Literal["auto", "counts", "amplitude"] = Field(
        "auto", description="what the numbers in the frames are; auto: found from the file"
    )
    positions: Literal["final", "start"] = Field(
        "final", description="which positions of the file to use: corrected or nominal ones"
    )
    axis_order: Literal["auto", "frames_first", "frames_last"] = Field(
        "auto", description="which axis of the frames array counts frames"
    )
    swap_xy: bool = Field(False, description="exchange x and y of the positions")
    flip_x: bool = Field(False, description="negate x of the positions")
    flip_y: bool = Field(False, description="negate y of the positions")
    frames: int | None = Field(None, ge=2, description="use only the first so many frames")
    energy_ev: float | None = Field(None, gt=0, le=1e9, description="photon energy [eV]")
    distance_m: float | None = Field(
        None, gt=0, le=1e3, description="distance from sample to detector [m]"
    )
    detector_pixel_m: float | None = Field(
        None, gt=0, le=1, description="pitch of the detector's pixels [m]"
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
        keys = ("energy_ev", "distance_m", "detector_pixel_m")
        missing = [key for key in keys if getattr(self, key) is None]
        if 0 < len(missing) < len(keys):
            what = f"the geometry lacks {' and '.join(missing)}"
            raise wrong(missing[0], what, "Write all three of " + ", ".join(keys) + ", or none")
        return self

    def _no_file_keys(self, simulation: Simulation) -> None:
        for key in ("measurement", "positions", "axis_order", "swap_xy", "flip_x", "flip_y"):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise wrong(key, "this key tells how to read a file, not a simulation", "Remove it")
        if self.frames and self.frames > simulation.frames:
            what = f"{self.frames} frames asked for, {simulation.frames} simulated"
            raise wrong("frames", what, "Remove the key")


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
    amplitude_activation: Literal["sigmoid", "swish", "softplus", "relu"] = Field(
        "sigmoid", description="last function of the amplitude decoder"
    )
    shared_amplitude: bool = Field(False, description="one amplitude for all frames of a group")
    probe_big: bool = Field(True, description="also predict what lies outside the central half")
    cbam: bool = Field(False, description="attention blocks in the encoder")
    object_big: bool = Field(
        True, description="a group is one image of many channels; false: every frame on its own"
    )

    @property
    def group(self) -> int:
        """Frames that the network sees together."""
        return self.gridsize**2 if self.object_big else 1


class Model(Section):
    """The network: a trained one, or a new one with its own settings."""

    pretrained: str = Field(
        "default",
        min_length=1,
        description="'default': the shipped network; 'none': a new one; else the folder of a "
        "packaged model",
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


class Train(Section):
    """Training, or adaptation of a pretrained network. Without this section there is none."""

    epochs: int = Field(10, ge=1, le=10**6, description="number of epochs")
    regions_per_epoch: int = Field(100, ge=1, le=10**6, description="regions seen in an epoch")
    simulated: float = Field(
        0.0, ge=0, le=1, description="share of regions that the simulator makes; 1: no scan needed"
    )
    loss: Literal["amplitude", "poisson", "mae"] = Field(
        "amplitude", description="misfit of measured regions: least squares, deviance, absolute"
    )
    lr: float = Field(1e-3, gt=0, le=1, description="learning rate")
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
    validation: float = Field(0.1, ge=0, le=0.5, description="share of frames held out")
    precision: Literal["32", "bf16"] = Field("32", description="arithmetic of the network")
    devices: int = Field(1, ge=1, le=64, description="processes, each with its device, on a node")
    nodes: int = Field(1, ge=1, le=1024, description="machines")
    workers: int = Field(1, ge=0, le=64, description="processes that load data, for each device")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        fewest, most = self.unroll
        if fewest > most:
            what = f"the fewest steps ({fewest}) exceed the most ({most})"
            raise wrong("unroll", what, f"Write [{most}, {fewest}]")
        return self


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


class StageResources(Section):
    """Limits of every stage; a key that is left out keeps the stage's own default."""

    prepare: StageLimits = Field(StageLimits(), description="reading or simulating a scan")
    train: TrainLimits = Field(TrainLimits(), description="training")
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
    infer: Infer = Field(Infer(), description="reconstruction")
    export: tuple[Export, ...] = Field(
        ("npz", "ptychodus", "png"), strict=False, description="formats written beside the results"
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
