"""The parameters of every stage: what decides a task's result, and so is part of its key.

Paths, names and numbers of workers are not here: they travel as a task's extras.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, JsonValue, model_validator

from hpc.task import content_key
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.jobspec import (
    FILE_KEYS,
    Model,
    ModelExport,
    Refine,
    ResultExport,
    Scan,
    Section,
    Seed,
    Tiled,
    Train,
    wrong,
)

if TYPE_CHECKING:
    from hpc.task import Task

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# A train task's key, "pretrained:<identity of the package>" or "untrained:<hash of its settings>".
NetworkId = Annotated[str, Field(min_length=1)]
PRETRAINED = "pretrained:"
UNTRAINED = "untrained:"
HELD_OUT = 0.1  # share of the frames that R_held_out is taken on
STORE_SCHEMA = 2  # of scan stores; a new one makes all of them anew
MACHINES = ("devices", "nodes", "workers", "compile", "track", "pictures")
"""Keys of `train` that say how a training is done, not what it learns: extras of its task."""


class StageParams(Section):
    """Base: to a task's JSON and back. Plans read stage and revision here, without torch."""

    stage: ClassVar[str]
    revision: ClassVar[int] = 1  # raised whenever the stage's code changes what comes out

    @classmethod
    def entry(cls) -> str:
        """The function that a worker calls."""
        return f"ptychopinn_batch.stages.{cls.stage}:run"

    @classmethod
    def of(cls, task: Task) -> Self:
        """The parameters that a task carries."""
        return cls.model_validate_json(json.dumps(task.params))

    def as_json(self) -> dict[str, JsonValue]:
        """What a task carries."""
        return self.model_dump(mode="json")


class InputIdentity(Section):
    """An input file by its content, wherever it lies."""

    sha256: Sha256
    size: int = Field(ge=0)


class ScanContent(Scan):
    """A scan by what it holds: its name and paths may change without changing any result."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if any(getattr(self, key) is not None for key in FILE_KEYS):
            raise wrong("path", "a scan's content has no name and no path", "Use ScanContent.of")
        return self

    @classmethod
    def of(cls, scan: Scan) -> Self:
        """A scan of a job spec without its name and paths."""
        return cls.model_validate(scan.model_dump(exclude=set(FILE_KEYS)))

    def at(self, files: Mapping[str, JsonValue]) -> Scan:
        """The scan in these files: the values of `FILE_KEYS` and other keys, as JSON."""
        return Scan.model_validate_json(
            json.dumps({**self.model_dump(mode="json", exclude=set(FILE_KEYS)), **files})
        )


class ScanParams(StageParams):
    """Of stages that read a scan from its files."""

    scan: ScanContent

    def scan_of(self, task: Task) -> Scan:
        """The scan in the files that a task names, read as it was when the task was planned."""
        reader = str(task.params["reader"]).split()[0]
        files = {key: value for key, value in task.extras.items() if key in ("path", "files")}
        return self.scan.at({"format": reader, **files})


class PrepareParams(ScanParams):
    """One scan into a scan store, whose id is the task's key.

    `input` and `reader`, which says how it is read, are None when it is simulated.
    """

    stage: ClassVar[str] = "prepare"
    input: InputIdentity | None
    reader: str | None
    store_schema: int = Field(ge=1)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        none = (self.input is None, self.reader is None)
        if none != (self.scan.simulate is not None,) * 2:
            what = "a file has an identity and a reader, a simulation has neither"
            raise wrong("input", what, "Give both for a file, none for a simulation")
        return self


class CheckParams(ScanParams):
    """Whether a scan can be trusted, asked of some of its frames. stop: fails where it is bad."""

    stage: ClassVar[str] = "check"
    revision: ClassVar[int] = 2  # 2: says how many steps are enough
    input: InputIdentity
    reader: str
    stop: bool


class TrainParams(StageParams):
    """Training of one network. `start`: identity of the pretrained package, None for a new one."""

    stage: ClassVar[str] = "train"
    revision: ClassVar[int] = 2  # 2: validated apart in space, along the space-filling order
    model: Model
    start: Sha256 | None
    train: Train
    stores: tuple[str, ...]
    seed: Seed

    @classmethod
    def train_of(cls, task: Task) -> Train:
        """How to train where the task runs: its parameters, and its extras among `MACHINES`."""
        how = {key: task.extras[key] for key in MACHINES if key in task.extras}
        return Train.model_validate({**cls.of(task).train.model_dump(), **how})


class RefineParams(StageParams):
    """One scan store into another, with a probe and positions that explain its frames better.

    `infer` as far as it matters here: tiles, halo and precision, without steps.
    """

    stage: ClassVar[str] = "refine"
    network: NetworkId
    store: str
    refine: Refine
    infer: Tiled
    canvas: Canvas


class InferParams(StageParams):
    """Tiles [first, last + 1) of a scan's canvas, in row order."""

    stage: ClassVar[str] = "infer"
    revision: ClassVar[int] = 2
    network: NetworkId
    store: str
    infer: Tiled
    canvas: Canvas
    tiles: tuple[int, int]
    array_key: str


class PackageParams(StageParams):
    """A network as a package. `train` is None when it is used as it was; `export` are the formats
    that its weights are also written in."""

    stage: ClassVar[str] = "package"
    revision: ClassVar[int] = 2  # 2: also kept in the registry
    network: NetworkId
    model: Model
    train: Train | None
    export: tuple[ModelExport, ...] = ()


class FinalizeParams(StageParams):
    """Metrics and exports of one reconstructed scan."""

    stage: ClassVar[str] = "finalize"
    revision: ClassVar[int] = 2  # 2: says how many steps are enough
    store: str
    network: NetworkId
    infer: Tiled
    array_key: str
    canvas: Canvas
    export: tuple[ResultExport, ...]
    held_out: float = Field(HELD_OUT, gt=0, lt=1)


def array_key(*, network: str, store: str, infer: Tiled, canvas: Canvas) -> str:
    """Key of an object array: the hash of all that decides its values.

    How tiles are shared out between tasks does not.
    """
    content = {
        "network": network,
        "store": store,
        "infer": infer.model_dump(mode="json", exclude={"tiles_per_task"}),
        "canvas": canvas.model_dump(mode="json"),
    }
    return content_key(content)
