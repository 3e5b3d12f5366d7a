"""What a plan must know of the files a spec names, and whether spec and files fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from hpc.errors import UserError
from ptychopinn_batch.canvas import PIXEL_BYTES, Canvas
from ptychopinn_batch.jobspec import CnnSettings, JobSpec, Model, Scan
from ptychopinn_batch.stages.params import InputIdentity
from ptychopinn_batch.training.split import too_small

__all__ = ["Facts", "Package", "ScanFacts", "check_network", "check_scan"]


@dataclass(frozen=True)
class ScanFacts:
    """A scan: its frames of n x n pixels, its canvas, its reader.

    `identity` and `reader` are None for a simulation; apart: the largest share of frames that can
    be validated on apart from the others.
    """

    frames: int
    n: int
    canvas: Canvas
    identity: InputIdentity | None
    reader: str | None = None
    apart: float = 0.5


@dataclass(frozen=True)
class Package:
    """A packaged network: where it lies, what it is, and the hash of what decides its results.

    cnn: its settings where it is one.
    """

    folder: Path
    identity: str
    architecture: str
    cnn: CnnSettings | None = None


@dataclass(frozen=True)
class Facts:
    """All scans of a spec, and its packages by `model.pretrained`."""

    scans: Mapping[Scan, ScanFacts]
    packages: Mapping[str, Package] = field(default_factory=dict)

    def package_of(self, model: Model) -> Package | None:
        """The package a model starts from; None for a new one."""
        return None if model.pretrained == "none" else self.packages[model.pretrained]

    def size_of(self, scans: Sequence[Scan]) -> dict[str, JsonValue]:
        """How much data a task sees: what its cost is estimated from."""
        facts = [self.scans[scan] for scan in scans]
        return {"frames": sum(f.frames for f in facts), "n": max((f.n for f in facts), default=0)}


def check_network(spec: JobSpec, package: Package | None) -> None:
    """Raise UserError where a packaged network cannot do what a spec demands."""
    if spec.refine and package and package.architecture != "unrolled":
        found = f"a {package.architecture!r}, as in {package.folder},"
        mend = "Remove the section, or use an 'unrolled' network"
        what = f"{found} has no steps to refine anything between"
        raise UserError(what, where="refine", mend=mend)


def check_scan(spec: JobSpec, scan: Scan, facts: ScanFacts) -> None:
    """Raise UserError where a scan cannot be reconstructed as a spec demands."""
    for mistake in _mistakes(spec, scan, facts):
        raise mistake


def _mistakes(spec: JobSpec, scan: Scan, facts: ScanFacts) -> Iterator[UserError]:
    where = scan.path or f"scan {scan.name}"
    cnn = spec.model.cnn if spec.model.architecture == "cnn" else None
    if cnn and cnn.n != facts.n:
        what = f"its frames are {facts.n} x {facts.n} pixels, but model.cnn.n is {cnn.n}"
        yield UserError(what, where=where, mend=f"Write model.cnn.n: {facts.n}")
    if cnn and cnn.group > facts.frames:
        what = f"a group of {cnn.group} frames is larger than the scan ({facts.frames} frames)"
        yield UserError(what, where=where, mend="Write a smaller model.cnn.gridsize")
    yield from _too_small_to_split(spec, facts, where)
    yield from _too_large(spec, facts, where)


def _too_small_to_split(spec: JobSpec, facts: ScanFacts, where: str) -> Iterator[UserError]:
    train = spec.train
    if train is None or train.simulated == 1 or train.split == "frames":
        return
    if train.validation > facts.apart:
        yield too_small(train.validation, facts.n, where)


def _too_large(spec: JobSpec, facts: ScanFacts, where: str) -> Iterator[UserError]:
    margin = spec.refine.margin if spec.refine else 0
    height, width = facts.canvas.grown(margin).shape
    needed, limit = PIXEL_BYTES * height * width / 1e9, spec.resources.finalize.mem_gb
    if needed > limit:
        what = (
            f"its positions span a canvas of {width:,} x {height:,} pixels: the object would take "
            f"{needed:,.1f} GB, but resources.finalize.mem_gb is {limit:g}"
        )
        mend = "Check that positions are in pixels, not in nanometres or metres; or raise the limit"
        yield UserError(what, where=where, mend=mend)
