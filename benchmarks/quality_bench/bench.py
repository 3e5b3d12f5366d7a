"""Runs what is asked for and is not known yet, scene by scene, one measurement after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from hpc.errors import UserError
from hpc.fsio import sha256_file
from hpc.task import content_key
from ptychopinn_batch.region import Region

from . import engines, networks
from .engines import EngineFailed, Engines
from .measures import HalfScans, Judged, compare_halves, halves_of, judge
from .methods import CnnMethod, EngineMethod, Method, NetworkMethod
from .outcome import Outcome
from .pictures import Gallery
from .prepared import Prepared, prepare
from .records import Records, Row
from .scenes import Scene

REVISION = 1  # raised whenever figures of the same method on the same scan would change


@dataclass(frozen=True)
class Plan:
    """What is asked for. pace: the method whose seconds the engines' budgets are multiples of."""

    scenes: tuple[Scene, ...]
    methods: tuple[Method, ...]
    pace: NetworkMethod
    budgets: tuple[float, ...]
    seeds: int
    held_out: float
    halves: bool
    threads: int
    engines: Engines | None

    def __post_init__(self) -> None:
        if self.engines is None and any(isinstance(m, EngineMethod) for m in self.methods):
            what, mend = "engines need pty-chi", "Name its interpreter: --ptychi VENV/bin/python"
            raise UserError(what, where="--methods", mend=mend)

    def jobs(self) -> Iterator[Job]:
        """Every measurement, those that set the pace first on their scan."""
        for scene in self.scenes:
            for seed in range(self.seeds):
                pace = Job(self, scene, seed, self.pace)
                if scene.varies or seed == 0:
                    yield pace
                for method in self.methods:
                    if method == self.pace or not (scene.varies or seed == 0 or _trains(method)):
                        continue
                    if isinstance(method, EngineMethod):
                        yield from (Job(self, scene, seed, method, b, pace) for b in self.budgets)
                    else:
                        yield Job(self, scene, seed, method)


@dataclass(frozen=True)
class Job:
    """One row to be: a method on a scan, of an engine with one budget."""

    plan: Plan
    scene: Scene
    seed: int
    method: Method
    budget: float | None = None
    pace: Job | None = None

    @cached_property
    def key(self) -> str:
        """Hash of all that decides the figures."""
        return content_key(
            {
                "revision": REVISION,
                "scene": _identity_of_scene(self.scene),
                "seed": self.seed,
                "held_out": self.plan.held_out,
                "halves": self.plan.halves,
                "threads": self.plan.threads,
                "method": _identity_of_method(self.method, self.plan.engines),
                "budget": self.budget,
                "pace": self.pace.key if self.pace else None,
            }
        )


def _trains(method: Method) -> bool:
    return isinstance(method, CnnMethod)


@cache
def _identity_of_scene(scene: Scene) -> object:
    scan = scene.scan.model_dump(mode="json")
    path = scan.pop("path")
    return [scan, sha256_file(Path(path)) if path else None]


@cache
def _identity_of_method(method: Method, used: Engines | None) -> object:
    match method:
        case NetworkMethod():
            settings = (method.infer, method.refine)
            dumped = [section and section.model_dump(mode="json") for section in settings]
            return [networks.identity_of(method.network), *dumped]
        case CnnMethod():
            return ["cnn", method.seconds]
        case EngineMethod():
            return [method.engine, engines.SETTINGS[method.engine], used and used.version()]


@dataclass
class Bench:
    """A plan, what is known of it, and the pictures of it. failures: of engines, as told."""

    plan: Plan
    records: Records
    gallery: Gallery
    tell: Callable[[str], None] = print
    failures: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Measure what is not known; a scan of which all is known is not even made."""
        for (scene, seed), jobs in self._by_scan().items():
            missing = [job for job in jobs if self.records.get(job.key) is None]
            if not missing:
                continue
            with prepare(scene, seed, self.plan.held_out) as prepared:
                for method in dict.fromkeys(job.method for job in missing):
                    self._measure(prepared, [job for job in missing if job.method == method])

    def rows(self) -> Sequence[Row]:
        """What is known of the plan."""
        return self.records.of(job.key for job in self.plan.jobs())

    def _by_scan(self) -> dict[tuple[Scene, int], list[Job]]:
        found: dict[tuple[Scene, int], list[Job]] = {}
        for job in self.plan.jobs():
            found.setdefault((job.scene, job.seed), []).append(job)
        return found

    def _measure(self, prepared: Prepared, jobs: list[Job]) -> None:
        """All jobs of one method: the budgets of an engine come from one run."""
        try:
            outcomes = self._outcomes(prepared, jobs)
        except EngineFailed as error:
            self.failures.append(f"{prepared.scene.name}: {error}")
            self.tell(self.failures[-1])
            return
        for job, (outcome, halves) in zip(jobs, outcomes, strict=True):
            judged = judge(outcome, prepared, halves)
            row = _row(job, prepared, outcome, judged)
            self.gallery.keep(row, judged.pair)
            self.records.add(row)
            self.tell(progress(row))

    def _outcomes(
        self, prepared: Prepared, jobs: list[Job]
    ) -> Sequence[tuple[Outcome, HalfScans | None]]:
        whole = self._run(jobs, prepared, prepared.shown, 1.0)
        if not self.plan.halves or _trains(jobs[0].method):
            return [(outcome, None) for outcome in whole]
        both = (self._run(jobs, prepared, half, 0.5) for half in halves_of(prepared.shown))
        halves = [compare_halves(*pair, prepared) for pair in zip(*both, strict=True)]
        return list(zip(whole, halves, strict=True))

    def _run(
        self, jobs: list[Job], prepared: Prepared, shown: Region, share: float
    ) -> list[Outcome]:
        """An engine is given this share of its seconds, for that share of the frames."""
        match jobs[0].method:
            case NetworkMethod() as method:
                return [networks.run_network(method, shown)]
            case CnnMethod() as method:
                return [networks.run_cnn(method, prepared)]
            case EngineMethod(engine=engine):
                assert self.plan.engines is not None
                budgets = [share * self._seconds(job) for job in jobs]
                return self.plan.engines.run(engine, shown, budgets, prepared.seed)

    def _seconds(self, job: Job) -> float:
        """What an engine's budget comes to on this machine."""
        assert job.pace is not None
        assert job.budget is not None
        pace = self.records.get(job.pace.key)
        assert pace is not None, "the pace is measured first"
        return job.budget * pace.seconds


def _row(job: Job, prepared: Prepared, outcome: Outcome, judged: Judged) -> Row:
    return Row(
        key=job.key,
        scene=job.scene.name,
        about=job.scene.about,
        right=job.scene.right,
        seed=job.seed,
        method=job.method.label,
        budget=job.budget,
        frames=prepared.frames,
        n=prepared.store.info.n,
        steps=outcome.epochs,
        seconds=outcome.seconds,
        trained_s=outcome.trained_s,
        peak_mb=outcome.peak_mb if math.isfinite(outcome.peak_mb) else None,
        figures=judged.figures,
    )


def progress(row: Row) -> str:
    """A line for those who wait."""
    figures = row.figures
    held = "-" if figures.R_held is None else f"{figures.R_held:.5f}"
    ssim = figures.fidelity.phase_ssim if figures.fidelity else None
    alike = "" if ssim is None else f", phase SSIM {ssim:.3f}"
    return (
        f"{row.scene} #{row.seed}  {row.label:<22} {row.seconds:7.2f} s  R held out {held}{alike}"
    )
