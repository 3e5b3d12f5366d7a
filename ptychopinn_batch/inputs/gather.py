"""Reads what a plan must know of the files of a spec: headers, identities, packages. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from hpc.errors import UserError
from ptychopinn_batch.inputs.facts import Facts, Package, ScanFacts
from ptychopinn_batch.inputs.known import Header, Inputs
from ptychopinn_batch.jobspec import CnnSettings, Scan
from ptychopinn_batch.package import (
    MANIFEST,
    Registry,
    read_manifest,
    resolve_pretrained,
    settings_of,
)
from ptychopinn_batch.speclang.complaints import Complaint, refuse
from ptychopinn_batch.speclang.variants import Variant

__all__ = ["gather"]


def gather(variants: Sequence[Variant], inputs: Inputs, models: Registry, source: str) -> Facts:
    """The facts of all variants. UserError with every scan that cannot be used.

    `models` are the packages that all runs share; `source` is the spec's file, for messages.
    """
    scans = dict.fromkeys(scan for variant in variants for scan in variant.spec.scans)
    names = dict.fromkeys(variant.spec.model.pretrained for variant in variants)
    packages = {name: _package(name, models) for name in names if name != "none"}
    return Facts(_scan_facts(scans, inputs, source), packages)


def _scan_facts(scans: Iterable[Scan], inputs: Inputs, source: str) -> dict[Scan, ScanFacts]:
    """Headers first: they are read at once, so that mistakes are told before files are hashed."""
    headers: dict[Scan, Header] = {}
    mistakes: list[Complaint] = []
    for scan in scans:
        try:
            headers[scan] = inputs.header(scan)
        except UserError as error:
            mistakes.append(Complaint(error.where or source, error.what, error.mend or ""))
    refuse(source, mistakes)
    return {
        scan: ScanFacts(
            frames=header.frames,
            n=header.n,
            canvas=header.canvas,
            apart=header.apart,
            identity=inputs.identify(scan, header),
            reader=header.reader,
        )
        for scan, header in headers.items()
    }


def _package(name: str, models: Registry) -> Package:
    folder = resolve_pretrained(name, Path.cwd(), models)
    manifest = read_manifest(folder)
    settings = settings_of(manifest, folder / MANIFEST)
    cnn = settings if isinstance(settings, CnnSettings) else None
    return Package(folder, manifest.identity, manifest.architecture, cnn)
