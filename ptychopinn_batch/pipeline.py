"""From the variants of a spec to the tasks of its run. Pure: facts come in, tasks come out.

    [check(scan) ->] prepare(scan) -> train(variant) -> [refine(variant, scan) ->]
                     infer(variant, scan, block) -> finalize(variant, scan)
                     train(variant) -> package(variant)

Parameters hold all that decides a result and nothing else, so that a task's key changes exactly
when its result may. Variants whose parameters are equal share the task. A shared task is named
after the keys of the sweep that reach it: another sweep over `infer` renames no training. A task
needs all those whose outputs it reads: so a plan knows whom a lost output matters to. Beside these,
whatever reads a scan's store waits for a check that may stop it; no key holds that, for it changes
no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from pydantic import JsonValue

from hpc.errors import UserError
from hpc.paths import RunPaths
from hpc.plan import check_graph
from hpc.resources import Resources
from hpc.task import Task, content_key, make_task
from ptychopinn_batch.canvas import Canvas
from ptychopinn_batch.facts import Facts, Package, check_network, check_scan
from ptychopinn_batch.jobspec import (
    JobSpec,
    Model,
    ModelExport,
    Refine,
    ResultExport,
    Scan,
    Tiled,
    Train,
)
from ptychopinn_batch.legacy.bundle import check_bundle
from ptychopinn_batch.outputs import outputs_of
from ptychopinn_batch.stages.params import (
    MACHINES,
    PRETRAINED,
    STORE_SCHEMA,
    UNTRAINED,
    CheckParams,
    FinalizeParams,
    InferParams,
    InputIdentity,
    PackageParams,
    PrepareParams,
    RefineParams,
    ScanContent,
    StageParams,
    TrainParams,
    array_key,
)
from ptychopinn_batch.sweep import ONLY_VARIANT, Variant, point_name
from ptychopinn_batch.tiling import tiled
from ptychopinn_batch.training.trackers import missing_package

__all__ = ["build_tasks"]

TRAINING_SECTIONS = ("seed", "scans", "model", "train")
"""Sections of a spec that reach a training."""

TILING = ("tile", "halo")
REFINEMENT_SECTIONS = (
    *TRAINING_SECTIONS,
    "refine",
    "infer.precision",
    *(f"infer.{key}" for key in TILING),
)
"""Sections and keys of a spec that reach a refinement."""

Extras = Mapping[str, JsonValue]


def build_tasks(
    variants: Sequence[Variant], facts: Facts, run: RunPaths, image: str | None = None
) -> tuple[Task, ...]:
    """Every task of a run, each after those that it needs; `image` is what all of them run in.

    Raises UserError where a spec and its scans do not fit each other, or a package is missing.
    """
    for variant in variants:
        if variant.spec.train and (missing := missing_package(variant.spec.train.track)):
            raise missing
        check_network(variant.spec, facts.package_of(variant.spec.model))
        for scan in variant.spec.scans:
            check_scan(variant.spec, scan, facts.scans[scan])
    graph = _Graph(facts, _changing_scans(variants, facts), run, image)
    for variant in variants:
        graph.add(variant)
    tasks = tuple(graph.tasks.values())
    check_graph(tasks)
    return tasks


@dataclass(frozen=True)
class _Network:
    """The network of a variant: its id, the task that makes it, what its users must be told."""

    id: str
    model: Model
    train: Train | None = None
    maker: Task | None = None
    extras: Extras = field(default_factory=dict)

    @property
    def needs(self) -> tuple[Task, ...]:
        return (self.maker,) if self.maker else ()


class _Graph:
    """The tasks so far, by name; `changing` are the scans that a sweep varies."""

    def __init__(
        self, facts: Facts, changing: frozenset[str], run: RunPaths, image: str | None
    ) -> None:
        self.facts = facts
        self.changing = changing
        self.run = run
        self.image = image
        self.tasks: dict[str, Task] = {}
        self._by_key: dict[str, Task] = {}
        self._prepared: dict[str, Task] = {}  # by name, of scans that are the same in all variants
        self._gates: dict[str, tuple[Task, ...]] = {}  # checks that may stop what reads a store

    def add(self, variant: Variant) -> None:
        """The tasks of one variant that are not there yet."""
        network = self._network(variant)
        self._package(variant, network)
        for scan in variant.spec.scans:
            self._reconstruct(variant, scan, network)

    def _network(self, variant: Variant) -> _Network:
        spec, package = variant.spec, self.facts.package_of(variant.spec.model)
        if spec.train is not None:
            return self._trained(variant, spec.train, package)
        if package is not None:
            folder: Extras = {"package": str(package.folder)}
            id_ = f"{PRETRAINED}{package.identity}"
            return _Network(id_, _by_content(spec.model, package), extras=folder)
        new: Extras = {"model": spec.model.model_dump(mode="json"), "seed": spec.seed}
        return _Network(f"{UNTRAINED}{content_key(new)}", spec.model, extras=new)

    def _trained(self, variant: Variant, train: Train, package: Package | None) -> _Network:
        spec = variant.spec
        scans = () if train.simulated == 1 else spec.scans
        stores = [self._prepare(variant, scan) for scan in scans]
        params = TrainParams(
            model=_by_content(spec.model, package),
            start=package.identity if package else None,
            train=_wherever(train),
            stores=tuple(store.key for store in stores),
            seed=spec.seed,
        )
        extras = {
            "variant": variant.name,
            **train.model_dump(mode="json", include=set(MACHINES)),
            **({"pretrained": str(package.folder)} if package else {}),
            **self.facts.size_of(scans),
        }
        resources = spec.resources.train.resources(nodes=train.nodes, tasks_per_node=train.devices)
        name = f"train-{_label(variant, TRAINING_SECTIONS)}"
        maker = self._share(self._task(name, params, extras, stores, resources))
        return _Network(maker.key, params.model, params.train, maker)

    def _prepare(self, variant: Variant, scan: Scan) -> Task:
        """The store of a scan."""
        name = str(scan.name)
        if name in self.changing:
            return self._new_store(variant, scan)
        if name not in self._prepared:
            self._prepared[name] = self._new_store(variant, scan)
        return self._prepared[name]

    def _new_store(self, variant: Variant, scan: Scan) -> Task:
        params = PrepareParams(
            scan=ScanContent.of(scan),
            input=self.facts.scans[scan].identity,
            reader=self.facts.scans[scan].reader,
            store_schema=STORE_SCHEMA,
        )
        name = f"prepare-{scan.name}"
        if scan.name in self.changing:
            name += f"-{_label(variant, ('scans',))}"
        files = scan.files and scan.files.model_dump(mode="json", exclude_none=True)
        extras = {
            "path": scan.path,
            "scan": scan.name,
            **({"files": files} if files else {}),
            **self.facts.size_of([scan]),
        }
        resources = variant.spec.resources.prepare.resources()
        checked = self._check(variant, name, params, extras, resources)
        store = self._share(self._task(name, params, extras, (), resources, checked))
        self._gates[store.id] = checked
        return store

    def _check(
        self,
        variant: Variant,
        store: str,
        params: PrepareParams,
        extras: Extras,
        resources: Resources,
    ) -> tuple[Task, ...]:
        """The task that looks at a scan first, where it may stop others. What is simulated is
        known."""
        mode = variant.spec.check
        if mode == "off" or params.input is None or params.reader is None:
            return ()
        asked = CheckParams(
            scan=params.scan, input=params.input, reader=params.reader, stop=mode == "stop"
        )
        name = f"{asked.stage}{store.removeprefix(params.stage)}"
        task = self._share(self._task(name, asked, extras, (), resources))
        return (task,) if asked.stop else ()

    def _package(self, variant: Variant, network: _Network) -> None:
        params = PackageParams(
            network=network.id,
            model=network.model,
            train=network.train,
            export=_model_exports(variant.spec, self.facts.package_of(variant.spec.model)),
        )
        extras = {**network.extras, "variant": variant.name}
        resources = variant.spec.resources.finalize.resources()
        name = f"package-{variant.name}"
        self._add(self._task(name, params, extras, network.needs, resources))

    def _reconstruct(self, variant: Variant, scan: Scan, network: _Network) -> None:
        """Blocks of tiles, and what is made of them. Results are a variant's own: no sharing."""
        spec, of = variant.spec, f"{variant.name}-{scan.name}"
        store, facts = self._prepare(variant, scan), self.facts.scans[scan]
        extras = {**network.extras, "variant": variant.name, "scan": scan.name}
        extras |= self.facts.size_of([scan])
        canvas = facts.canvas.grown(spec.refine.margin if spec.refine else 0)
        infer = tiled(spec.infer, frames=facts.frames, n=facts.n, canvas=canvas)
        if spec.refine:
            refinement = _refinement(network.id, store.key, spec.refine, infer, canvas)
            store = self._refined(variant, refinement, (store, *network.needs), extras)
        whole = _whole_array(network.id, store.key, infer, canvas)
        needs, resources = (store, *network.needs), spec.resources.infer.resources()
        blocks = [
            self._add(self._task(f"infer-{of}-{number}", block, extras, needs, resources))
            for number, block in enumerate(_blocks(whole, spec.infer.tiles_per_task))
        ]
        end, resources = _finalize(whole, spec), spec.resources.finalize.resources()
        self._add(self._task(f"finalize-{of}", end, extras, (*needs, *blocks), resources))

    def _refined(
        self,
        variant: Variant,
        params: RefineParams,
        needs: Sequence[Task],
        extras: Extras,
    ) -> Task:
        """The task that finds what a scan does not say rightly."""
        name = f"refine-{_label(variant, REFINEMENT_SECTIONS)}-{extras['scan']}"
        resources = variant.spec.resources.refine.resources()
        store = self._share(self._task(name, params, extras, needs, resources))
        self._gates[store.id] = self._gates_of(needs)
        return store

    def _task(
        self,
        name: str,
        params: StageParams,
        extras: Extras,
        needs: Sequence[Task],
        resources: Resources,
        after: Sequence[Task] = (),
    ) -> Task:
        """A task that knows what it leaves behind, and waits for what may stop it."""
        task = make_task(
            id=name,
            stage=params.stage,
            entry=params.entry(),
            revision=params.revision,
            params=params.as_json(),
            extras=extras,
            needs=needs,
            after=(*after, *self._gates_of(needs)),
            resources=resources,
            image=self.image,
        )
        return task.model_copy(update={"outputs": outputs_of(task, params, self.run)})

    def _gates_of(self, needs: Sequence[Task]) -> tuple[Task, ...]:
        """The checks that may stop what needs these, each once."""
        found = {gate.id: gate for need in needs for gate in self._gates.get(need.id, ())}
        return tuple(found.values())

    def _share(self, task: Task) -> Task:
        """The task that does the same already, or this one."""
        same = self._by_key.get(task.key)
        return same or self._add(task)

    def _add(self, task: Task) -> Task:
        if task.id in self.tasks:
            raise ValueError(f"two tasks are named {task.id!r}")
        self._by_key[task.key] = self.tasks[task.id] = task
        return task


def _changing_scans(variants: Sequence[Variant], facts: Facts) -> frozenset[str]:
    """Names of scans that are not the same in all variants."""
    contents: dict[str, set[tuple[ScanContent, InputIdentity | None]]] = {}
    for scan in dict.fromkeys(scan for variant in variants for scan in variant.spec.scans):
        content = ScanContent.of(scan), facts.scans[scan].identity
        contents.setdefault(str(scan.name), set()).add(content)
    return frozenset(name for name, different in contents.items() if len(different) > 1)


def _label(variant: Variant, sections: Sequence[str]) -> str:
    """The part of a variant's name that comes from these sections and keys of the spec."""
    reach = {k: any(_overlap(k, section) for section in sections) for k in variant.overrides}
    point = {k: v for k, v in variant.overrides.items() if reach[k]}
    return point_name(point) if point else ONLY_VARIANT


def _overlap(key: str, other: str) -> bool:
    """Whether one of two dotted keys is the other, or holds it."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _by_content(model: Model, package: Package | None) -> Model:
    """A model whose package is named by what it holds, not by where it lies."""
    if package is None:
        return model
    return model.model_copy(update={"pretrained": f"{PRETRAINED}{package.identity}"})


def _wherever(train: Train) -> Train:
    """A training without the machines it runs on."""
    return train.model_copy(update={key: Train.model_fields[key].default for key in MACHINES})


def _whole_array(network: str, store: str, infer: Tiled, canvas: Canvas) -> InferParams:
    """All tiles of an object in one; how many a task takes is of no consequence to them."""
    default = Tiled.model_fields["tiles_per_task"].default
    infer = infer.model_copy(update={"tiles_per_task": default})
    rows, columns = canvas.tile_counts(infer.tile)
    return InferParams(
        network=network,
        store=store,
        infer=infer,
        canvas=canvas,
        tiles=(0, rows * columns),
        array_key=array_key(network=network, store=store, infer=infer, canvas=canvas),
    )


def _refinement(
    network: str, store: str, refine: Refine, infer: Tiled, canvas: Canvas
) -> RefineParams:
    return RefineParams(
        network=network,
        store=store,
        refine=refine,
        infer=_only_tiling(infer, refine),
        canvas=canvas,
    )


def _only_tiling(infer: Tiled, refine: Refine) -> Tiled:
    """Without what is of no consequence to a refinement; tiles are to one of positions."""
    without = ("steps", "tiles_per_task", *(() if refine.positions else TILING))
    return infer.model_copy(update={key: Tiled.model_fields[key].default for key in without})


def _blocks(whole: InferParams, size: int) -> Iterator[InferParams]:
    _, count = whole.tiles
    for first in range(0, count, size):
        yield whole.model_copy(update={"tiles": (first, min(first + size, count))})


def _model_exports(spec: JobSpec, package: Package | None) -> tuple[ModelExport, ...]:
    """The formats of a network, in order. UserError where it has no place in one of them."""
    architecture = package.architecture if package else spec.model.architecture
    if "bundle" in spec.export and architecture != "cnn":
        what = f"PtychoPINN knows no network {architecture!r}: a bundle holds a 'cnn'"
        raise UserError(what, where="export", mend="Leave bundle out")
    cnn = package.cnn if package else spec.model.cnn
    if "bundle" in spec.export and cnn is not None:
        check_bundle(cnn)  # before hours of training
    return tuple(kind for kind in get_args(ModelExport) if kind in spec.export)


def _finalize(whole: InferParams, spec: JobSpec) -> FinalizeParams:
    return FinalizeParams(
        store=whole.store,
        network=whole.network,
        infer=whole.infer,
        array_key=whole.array_key,
        canvas=whole.canvas,
        export=tuple(sorted(kind for kind in get_args(ResultExport) if kind in spec.export)),
    )
