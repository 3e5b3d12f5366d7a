"""The tasks of a run, made variant by variant, and what each needs and waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hpc.paths import RunPaths
from hpc.plan import check_graph
from hpc.resources import Resources
from hpc.task import Task, content_key
from ptychopinn_batch.inputs.facts import Facts, Package, check_network, check_scan
from ptychopinn_batch.jobspec import Model, Scan, Train
from ptychopinn_batch.pipeline.content import (
    blocks_of,
    by_content,
    finalization,
    model_exports,
    refinement,
    wherever,
    whole_array,
)
from ptychopinn_batch.pipeline.names import (
    REFINEMENT_SECTIONS,
    TRAINING_SECTIONS,
    changing_scans,
    label,
)
from ptychopinn_batch.pipeline.tasks import Extras, TaskSet
from ptychopinn_batch.speclang.variants import Variant
from ptychopinn_batch.stages.params import (
    MACHINES,
    PRETRAINED,
    STORE_SCHEMA,
    UNTRAINED,
    CheckParams,
    PackageParams,
    PrepareParams,
    RefineParams,
    ScanContent,
    TrainParams,
)
from ptychopinn_batch.tiling import tiled
from ptychopinn_batch.training.trackers import missing_package


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
    tasks = TaskSet(run, image)
    graph = _Graph(facts, changing_scans(variants, facts), tasks)
    for variant in variants:
        graph.add(variant)
    check_graph(tasks.all())
    return tasks.all()


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
    """What each task of a variant needs; `changing` are the scans that a sweep varies."""

    def __init__(self, facts: Facts, changing: frozenset[str], tasks: TaskSet) -> None:
        self.facts = facts
        self.changing = changing
        self.tasks = tasks
        self._prepared: dict[str, Task] = {}  # by name, of scans that are the same in all variants

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
            return _Network(id_, by_content(spec.model, package), extras=folder)
        new: Extras = {"model": spec.model.model_dump(mode="json"), "seed": spec.seed}
        return _Network(f"{UNTRAINED}{content_key(new)}", spec.model, extras=new)

    def _trained(self, variant: Variant, train: Train, package: Package | None) -> _Network:
        spec = variant.spec
        scans = () if train.simulated == 1 else spec.scans
        stores = [self._prepare(variant, scan) for scan in scans]
        params = TrainParams(
            model=by_content(spec.model, package),
            start=package.identity if package else None,
            train=wherever(train),
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
        name = f"train-{label(variant, TRAINING_SECTIONS)}"
        maker = self.tasks.share(self.tasks.new(name, params, extras, stores, resources))
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
            name += f"-{label(variant, ('scans',))}"
        files = scan.files and scan.files.model_dump(mode="json", exclude_none=True)
        extras = {
            "path": scan.path,
            "scan": scan.name,
            **({"files": files} if files else {}),
            **self.facts.size_of([scan]),
        }
        resources = variant.spec.resources.prepare.resources()
        checked = self._check(variant, name, params, extras, resources)
        store = self.tasks.share(self.tasks.new(name, params, extras, (), resources, checked))
        self.tasks.gate(store, checked)
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
        task = self.tasks.share(self.tasks.new(name, asked, extras, (), resources))
        return (task,) if asked.stop else ()

    def _package(self, variant: Variant, network: _Network) -> None:
        params = PackageParams(
            network=network.id,
            model=network.model,
            train=network.train,
            export=model_exports(variant.spec, self.facts.package_of(variant.spec.model)),
        )
        extras = {**network.extras, "variant": variant.name}
        resources = variant.spec.resources.finalize.resources()
        name = f"package-{variant.name}"
        self.tasks.add(self.tasks.new(name, params, extras, network.needs, resources))

    def _reconstruct(self, variant: Variant, scan: Scan, network: _Network) -> None:
        """Blocks of tiles, and what is made of them. Results are a variant's own: no sharing."""
        spec, of = variant.spec, f"{variant.name}-{scan.name}"
        store, facts = self._prepare(variant, scan), self.facts.scans[scan]
        extras = {**network.extras, "variant": variant.name, "scan": scan.name}
        extras |= self.facts.size_of([scan])
        canvas = facts.canvas.grown(spec.refine.margin if spec.refine else 0)
        infer = tiled(spec.infer, frames=facts.frames, n=facts.n, canvas=canvas)
        if spec.refine:
            refining = refinement(network.id, store.key, spec.refine, infer, canvas)
            store = self._refined(variant, refining, (store, *network.needs), extras)
        whole = whole_array(network.id, store.key, infer, canvas)
        needs, resources = (store, *network.needs), spec.resources.infer.resources()
        blocks = [
            self.tasks.add(self.tasks.new(f"infer-{of}-{number}", block, extras, needs, resources))
            for number, block in enumerate(blocks_of(whole, spec.infer.tiles_per_task))
        ]
        end, resources = finalization(whole, spec), spec.resources.finalize.resources()
        self.tasks.add(self.tasks.new(f"finalize-{of}", end, extras, (*needs, *blocks), resources))

    def _refined(
        self,
        variant: Variant,
        params: RefineParams,
        needs: Sequence[Task],
        extras: Extras,
    ) -> Task:
        """The task that finds what a scan does not say rightly."""
        name = f"refine-{label(variant, REFINEMENT_SECTIONS)}-{extras['scan']}"
        resources = variant.spec.resources.refine.resources()
        store = self.tasks.share(self.tasks.new(name, params, extras, needs, resources))
        self.tasks.gate(store, self.tasks.gates_of(needs))
        return store
