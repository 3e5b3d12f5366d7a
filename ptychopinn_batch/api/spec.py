"""What the verbs of `api` say, as the job spec that says the same, and what a plan makes of it.

So keys are checked as those of a file are, and scans and trainings have the keys they have in runs.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import JsonValue

from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.task import Task, content_key
from ptychopinn_batch.inputs.facts import Facts, Package, ScanFacts
from ptychopinn_batch.inputs.gather import gather
from ptychopinn_batch.inputs.known import Inputs
from ptychopinn_batch.jobspec import JobSpec, Scan, Train
from ptychopinn_batch.package import LoadedModel, Registry, load_model
from ptychopinn_batch.pipeline import build_tasks
from ptychopinn_batch.speclang.document import Document, Origin
from ptychopinn_batch.speclang.sources import resolved
from ptychopinn_batch.speclang.variants import ONLY_VARIANT, Variant
from ptychopinn_batch.stages.params import PRETRAINED, UNTRAINED, RefineParams, TrainParams

if TYPE_CHECKING:
    from ptychopinn_batch.networks.base import Network

NAME = "python"  # of what would be a run
IN_MEMORY = "in memory"  # in place of a package's folder

ModelLike: TypeAlias = LoadedModel | str | Path | Mapping[str, JsonValue]
"""A loaded model, the name or folder of a package, or the `model` section for a new network."""


@dataclass(frozen=True)
class Begin:
    """What a verb begins with: the `model` section of its spec, and the network if there is one.

    is_given: whether the network came from the caller, who may have changed its weights.
    """

    section: dict[str, JsonValue]
    loaded: LoadedModel | None
    is_given: bool = False

    @classmethod
    def of(cls, model: ModelLike, runs: str | Path) -> Begin:
        if isinstance(model, Mapping):
            return cls({"pretrained": "none", **model}, None)
        if isinstance(model, LoadedModel):
            return cls({"pretrained": IN_MEMORY}, model, is_given=True)
        return cls({"pretrained": IN_MEMORY}, load_model(model, runs=runs))

    @property
    def packages(self) -> dict[str, Package]:
        """What a plan would know of it."""
        if self.loaded is None:
            return {}
        manifest = self.loaded.manifest
        return {IN_MEMORY: Package(Path(IN_MEMORY), manifest.identity, manifest.architecture)}

    @property
    def id(self) -> str:
        """What the network's results are told apart by."""
        return f"{PRETRAINED}{self.loaded.manifest.identity}" if self.loaded else UNTRAINED

    @property
    def losses(self) -> tuple[tuple[int, float], ...]:
        """Of its training, as far as they are known."""
        return self.loaded.losses if self.loaded else ()

    @property
    def weights(self) -> str | None:
        """Hash of the weights, where only that says what they are."""
        if self.loaded is None or not self.is_given:
            return None
        found = hashlib.sha256()
        for name, value in sorted(self.loaded.network.state_dict().items()):
            found.update(name.encode() + value.detach().cpu().numpy().tobytes())
        return found.hexdigest()

    def spec(self, verb: str, seed: int, scans: Sequence[Scan], **sections: Any) -> JobSpec:
        """What a verb says of these scans, as a job spec; UserError names the verb and the key."""
        written = [scan.model_dump(mode="json", exclude_defaults=True) for scan in scans]
        known = {"seed": seed, "scans": written, **sections, "model": self.section}
        return spec_of(verb, known)[0]

    def network(self, spec: JobSpec) -> Network:
        """A network of its own: what is trained or moved is not that of the caller."""
        from ptychopinn_batch.networks.registry import new_network

        if self.loaded is not None:
            return copy.deepcopy(self.loaded.network)
        return new_network(spec.model, spec.seed)


@dataclass(frozen=True)
class Planned:
    """A training as a run would know it, and how it is done here."""

    key: str
    params: TrainParams
    train: Train


def spec_of(verb: str, sections: Mapping[str, Any]) -> tuple[JobSpec, Document]:
    """A checked job spec of these sections; UserError names the verb and the key."""
    data = {"version": 1, "name": NAME, **sections}
    document = Document(verb, data, {(): Origin(verb)})
    return document.checked(), document


def scan_of(keys: Mapping[str, Any], run: RunPaths) -> tuple[Scan, ScanFacts, Path]:
    """One scan, what a plan knows of it, and where its store belongs."""
    spec = resolved(*spec_of("load_scan", {"scans": [dict(keys)]}), (Path.cwd(),))
    if len(spec.scans) > 1:
        what = f"{len(spec.scans)} files match '{keys['path']}'"
        raise UserError(what, where="load_scan", mend="Load them one by one")
    inputs = Inputs(run)
    facts = gather((_variant(spec),), inputs, Registry(run.models), NAME)
    inputs.save()
    (scan,) = spec.scans
    return scan, facts.scans[scan], run.store(_task("prepare", spec, facts, run).key)


def training_of(
    spec: JobSpec, scans: Sequence[ScanFacts], packages: Mapping[str, Package], run: RunPaths
) -> Planned:
    """The training of a spec whose scans are known; UserError where Python cannot do it."""
    assert spec.train is not None
    if spec.train.devices * spec.train.nodes > 1:
        what, mend = "Python trains on one device", "Write 1, or submit a job spec"
        raise UserError(what, where="train.devices, train.nodes", mend=mend)
    facts = Facts(dict(zip(spec.scans, scans, strict=True)), packages)
    task = _task("train", spec, facts, run)
    return Planned(task.key, TrainParams.of(task), TrainParams.train_of(task))


def refinement_of(
    spec: JobSpec, scan: ScanFacts, begin: Begin, run: RunPaths
) -> tuple[RefineParams, Path]:
    """The refinement of a spec's only scan, and where its store belongs: where that of a run does,
    unless weights were given, which need not be those of any package."""
    task = _task("refine", spec, Facts({spec.scans[0]: scan}, begin.packages), run)
    weights = begin.weights
    key = task.key if weights is None else content_key([task.key, weights])
    return RefineParams.of(task), run.store(key)


def _variant(spec: JobSpec) -> Variant:
    return Variant(name=ONLY_VARIANT, overrides={}, spec=spec)


def _task(stage: str, spec: JobSpec, facts: Facts, run: RunPaths) -> Task:
    """The first task of this stage in the run that a spec describes."""
    tasks = build_tasks((_variant(spec),), facts, run)
    return next(task for task in tasks if task.stage == stage)
